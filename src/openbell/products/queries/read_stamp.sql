select value #>> '{}' from openbell.meta where key = 'environment'
