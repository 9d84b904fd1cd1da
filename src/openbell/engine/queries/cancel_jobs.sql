-- Cancels the live jobs $1 for $2, each audited, unless they have left the state $3 (null: any): how many have become what. Those that
-- have ended meanwhile count as ended. In the order in which a sweep lifts them, so that the two never wait for each other.
select v.verdict, count(*) as jobs
from (
    select case
        when $3::text is not null and exists (select 1 from openbell.job j where j.id = u.id and j.state::text <> $3) then 'moved on'
        else coalesce(openbell.cancel_job(u.id, $2), 'ended') end as verdict
    from (select i.id from unnest($1::bigint[]) as i (id) left join openbell.job j on j.id = i.id order by j.product, j.key) u
) v
group by v.verdict
