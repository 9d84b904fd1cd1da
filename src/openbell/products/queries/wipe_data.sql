select openbell.wipe_data($1::text[])
