-- They are asked for alone from now on.
update openbell.picks_slot set batch = null where edition = any($1::text[])
