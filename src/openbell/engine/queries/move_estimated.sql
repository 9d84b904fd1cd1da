update openbell.estimated set ended_at = $1, spend_id = $2
