-- This one leaves in order; others that left without a word are forgotten with it.
delete from openbell.web_process where name = $1 or expires_at < openbell.now() - interval '1 day'
