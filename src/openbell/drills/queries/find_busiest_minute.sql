-- The most calls that any sliding minute has seen, what the account allows, and all calls of the provider $1.
with made as (
    select s.intended_at as at from openbell.spend s where s.provider = $1 and s.state <> 'released'
), busiest as (
    select count(*) over (order by made.at range between interval '1 minute' preceding and current row) as calls from made
)
select coalesce(max(b.calls), 0) as calls, count(*) as all_calls,
    (select a.granted from openbell.account a where a.subject = $1 and a.resource = 'calls' order by a.granted limit 1) as allowed
from busiest b
