-- For this session: a lock is waited for $1 at most, a statement runs $2 at most (milliseconds; 0 is no limit).
select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false)
