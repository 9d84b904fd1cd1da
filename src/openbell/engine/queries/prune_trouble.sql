-- Troubles of calls matter for a minute.
delete from openbell.trouble where at < openbell.now() - interval '1 hour'
