-- What a parked job waits for, and what is known of each.
select n.product, n.key, a.state::text as state, a.fresh_until, coalesce(a.fresh_until > openbell.now(), false) as met
from openbell.need n
left join openbell.artifact a on a.product = n.product and a.key = n.key
where n.job_id = $1
order by n.product, n.key limit 100
