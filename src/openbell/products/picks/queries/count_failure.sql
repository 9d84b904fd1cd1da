-- One more failed attempt; how many there have been.
update openbell.picks_slot set failures = failures + 1, code = $2, message = $3, status_at = openbell.now()
where edition = any($1::text[]) and status <> 'complete'
returning failures
