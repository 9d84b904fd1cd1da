-- How far it is, and nothing else: what is shown lies in another table. What is complete stays so.
update openbell.picks_slot
set status = $2, code = $3, message = $4, status_at = openbell.now()
where edition = any($1::text[]) and status <> 'complete'
