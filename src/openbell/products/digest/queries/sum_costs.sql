-- What the calls for a key of a product took, by provider and kind of call.
select provider, operation, count(*)::integer as calls, sum(cost_micro)::bigint as cost_micro
from openbell.spend
where job_id = any (
        select v.job_id from openbell.version v where v.product = $1 and v.key = $2 and v.version = $3)
    and state <> 'released'
group by provider, operation
order by sum(cost_micro) desc, provider, operation
