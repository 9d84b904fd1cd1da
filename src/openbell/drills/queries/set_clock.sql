update openbell.clock set shift = $1::timestamptz - clock_timestamp()
