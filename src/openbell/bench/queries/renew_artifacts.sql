-- Everything is fresh again.
update openbell.artifact set fresh_until = openbell.now() + interval '1 day', stale_until = openbell.now() + interval '2 days'
where product = $1 and fresh_until <= openbell.now()
