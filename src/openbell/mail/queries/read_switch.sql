select value from openbell.meta where key = 'mail_stop'
