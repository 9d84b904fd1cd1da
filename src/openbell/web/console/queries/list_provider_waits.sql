-- What is queued for a provider ($1, or each) and does not run, by what it waits for: what its attempt was told, else what holds
-- back the whole provider, else nothing but its turn.
with clock as materialized (
    select openbell.now() as t
), shut as (
    select coalesce(a.key_of, a.subject) as provider, (array_agg(a.blocked_reason order by a.blocked_until desc))[1] as reason, max(a.blocked_until) as until
    from openbell.account a, clock where a.blocked_until > clock.t group by 1
)
select p.provider, coalesce(j.reason, case when b.provider is not null then 'the breaker is open: ' || b.reason end, s.reason, '') as why,
    count(*) as jobs, min(j.queued_at) as since, min(coalesce(nullif(j.parked_until, 'infinity'), s.until)) as until,
    (array_agg(distinct j.product))[1:3] as products
from openbell.job j
join openbell.product p on p.name = j.product
left join shut s on s.provider = p.provider
left join openbell.breaker b on b.provider = p.provider and b.operation = '' and b.open_until > (select t from clock)
where j.token is null and p.provider <> '' and ($1::text is null or p.provider = $1)
group by 1, 2 order by 1, jobs desc
