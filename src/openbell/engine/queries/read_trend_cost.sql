-- What the calls have cost that ended in the last $2 steps of $1 minutes, each provider apart.
select t.at, t.provider, t.calls, t.cost_micro
from openbell.trend_cost t
where t.step = $1 and t.at > $3::timestamptz - make_interval(mins => $1::integer * $2::integer)
order by t.at
