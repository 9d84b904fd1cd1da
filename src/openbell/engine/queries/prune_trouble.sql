-- Troubles of calls matter for a minute.
delete from openbell.trouble where at < (select openbell.now()) - interval '1 hour'
