-- What an operator has done meanwhile stays, unless the mail has left all the same.
update openbell.delivery d
set state = $2, note = $3, state_at = case when d.state = $2 then d.state_at else (select openbell.now()) end,
    sent_to = coalesce($4, d.sent_to), queue_id = coalesce($5, d.queue_id)
where d.id = $1 and (d.state = 'ready' or $2 in ('sent', 'unknown'))
