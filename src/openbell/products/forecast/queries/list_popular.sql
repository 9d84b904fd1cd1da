-- Pairs that people have asked for in the last week or have saved, by how often; $2 names the class of people.
select key from (
    select h.key, count(*) as times from openbell.job_history h
    where h.product = 'comparison' and h.job_class = $2 and h.queued_at > (select openbell.now()) - interval '7 days'
    group by h.key
    union all
    select d.key, count(*) from openbell.demand d where d.product = 'comparison' and d.job_class = $2 group by d.key
    union all
    select s.pair, 2 * count(*) from openbell.saved_comparison s group by s.pair
) asked
group by key order by sum(times) desc, key limit $1
