-- Of the jobs that were seen: how many are in neither place, and how many ended more than once; and of all calls, how many a
-- single attempt made twice, and of how many nobody knows what became of them.
select
    (select count(*) from unnest($1::bigint[]) s (id)
     where not exists (select 1 from openbell.job j where j.id = s.id)
        and not exists (select 1 from openbell.job_history h where h.id = s.id)) as lost,
    (select count(*) from (select h.id from openbell.job_history h group by h.id having count(*) > 1) t) as twice,
    (select count(*) from (select 1 from openbell.spend s where s.job_id is not null group by s.job_id, s.token having count(*) > 1) t)
        as called_twice,
    (select count(*) from openbell.spend s where s.state = 'unknown' and s.effect <> 'repeat') as doubtful,
    (select count(*) from openbell.spend s where s.provider = 'fmp') as booked,
    (select count(*) from openbell.job_history h where h.outcome = 'done') as done
