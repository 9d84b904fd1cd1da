-- Which fields of the trials of $1 over the last $2 differ, in how many trials, with the newest example; trials that were
-- moved on by their source are left out.
select d.path, d.side, count(distinct r.id) as trials, (array_agg(jsonb_build_object('key', r.key, 'live', d.live, 'new', d.new) order by r.id desc))[1] as example
from openbell.trial r
join openbell.product p on p.name = r.challenger and p.version = r.producer_version
cross join jsonb_to_recordset(r.differences) as d (path text, side text, live jsonb, new jsonb)
where r.challenger = $1 and r.at > openbell.now() - $2::interval and r.verdict = 'different'
group by d.path, d.side
order by count(distinct r.id) desc, d.path
limit 50
