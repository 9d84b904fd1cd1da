select value from openbell.meta where key = 'mode'
