select openbell.drop_history_day(((openbell.now() - $1::interval) at time zone 'UTC')::date)
