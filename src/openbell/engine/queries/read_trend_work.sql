-- The last $2 steps of $1 minutes, each class of jobs apart.
select t.at, t.job_class, t.good, t.bad, t.waits, t.waiting, t.parked, t.running, extract(epoch from t.oldest_wait)::float8 as oldest_wait_s
from openbell.trend_work t
where t.step = $1 and t.at > $3::timestamptz - make_interval(mins => $1::integer * $2::integer)
order by t.at
