update openbell.alert_notice
set state = $2, note = $3, told_at = case when $2 = 'told' then openbell.now() end, tries = tries + 1, next_at = openbell.now() + $4::interval
where id = any($1)
