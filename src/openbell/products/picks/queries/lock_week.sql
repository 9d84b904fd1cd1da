select pg_advisory_xact_lock(hashtextextended('picks ' || $1::date, 0))
