-- How the versions of a prompt have done since then, one row each: of the digests that it wrote a part of.
with run as (
    select v.key, v.version, v.value, r ->> 'prompt' as prompt, r
    from openbell.version v
    cross join lateral jsonb_array_elements(v.value -> 'content' -> 'runs') r
    where v.product = 'digest' and v.created_at >= (select openbell.now()) - $2::interval
        and r ->> 'prompt' like $1 || '@%'
), one as (
    select distinct on (key, version, prompt) key, version, prompt,
        (value -> 'content' -> 'counts' ->> 'bullets')::integer as bullets,
        (value -> 'content' -> 'counts' ->> 'shown')::integer as shown,
        (value -> 'content' -> 'counts' ->> 'marks')::integer as marks
    from run
    order by key, version, prompt
), cost as (
    select prompt, sum(coalesce((r ->> 'cost_micro')::bigint, 0))::bigint as cost_micro,
        sum(jsonb_array_length(r -> 'failures'))::bigint as failures, count(*)::bigint as answers,
        count(*) filter (where r ->> 'cached' = 'true')::bigint as kept
    from run
    group by prompt
)
select one.prompt, count(*)::integer as digests, count(distinct split_part(one.key, '|', 1))::integer as tickers,
    sum(one.bullets)::bigint as bullets, sum(one.shown)::bigint as shown, sum(one.marks)::bigint as marks,
    count(*) filter (where w.verdict = 'hold')::integer as held, count(w.key)::integer as reviewed,
    max(cost.answers) as answers, max(cost.kept) as kept, max(cost.failures) as failures, max(cost.cost_micro) as cost_micro
from one
join cost using (prompt)
left join openbell.review w on w.key = one.key and w.version = one.version
group by one.prompt
order by one.prompt
