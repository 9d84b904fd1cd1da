-- Whether the one question that was counted for a key may still be asked: the moment at which it was, or null.
update openbell.forecast_note n set asked_at = openbell.now() where n.key = $1 and n.asked_at is null returning n.asked_at
