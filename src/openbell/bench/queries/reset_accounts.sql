update openbell.account set held = 0 where subject = $1
