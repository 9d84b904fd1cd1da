update openbell.schedule set next_at = $2, problem = $3, last_due_at = coalesce($4, last_due_at) where name = $1
