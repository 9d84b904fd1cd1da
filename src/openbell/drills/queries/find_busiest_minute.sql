-- The most calls that any sliding minute has seen, and what the account allows.
with made as (
    select s.intended_at as at from openbell.spend s where s.provider = $1 and s.state <> 'released'
), busiest as (
    select count(*) over (order by made.at range between interval '1 minute' preceding and current row) as calls from made
)
select coalesce(max(b.calls), 0) as calls,
    (select a.granted from openbell.account a where a.subject = $1 and a.resource = 'calls' order by a.granted limit 1) as allowed
from busiest b
