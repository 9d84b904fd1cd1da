update openbell.confirmation set used_at = openbell.now() where token = $1
