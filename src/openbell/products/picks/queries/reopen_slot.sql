-- Another try at what has failed.
update openbell.picks_slot
set status = 'pending', reason = $2, failures = 0, code = null, message = null, queued_at = openbell.now(), status_at = openbell.now()
where edition = $1 and status <> 'complete'
returning batch
