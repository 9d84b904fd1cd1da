select value #>> '{}' from openbell.meta where key = 'sign_up'
