select openbell.add_history_day((openbell.now() at time zone 'UTC')::date + $1::integer)
