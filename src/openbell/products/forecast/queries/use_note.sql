-- Whether the one question that was counted for a key may still be asked: the moment at which it was, or null. The job
-- that was queued ($2) before that moment is the one that took it, and may begin again after a crash; no later job may.
update openbell.forecast_note n set asked_at = coalesce(n.asked_at, openbell.now())
where n.key = $1 and (n.asked_at is null or n.asked_at > $2) returning n.asked_at
