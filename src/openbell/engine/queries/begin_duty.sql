-- True for the one process whose beat this is.
update openbell.duty set next_at = openbell.now() + $2::interval
where name = $1 and next_at <= openbell.now()
returning true
