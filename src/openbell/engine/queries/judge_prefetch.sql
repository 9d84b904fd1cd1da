-- What has become of what was prefetched: made since it was asked for; opened by somebody (of a class before $1) while fresh, a hit;
-- or gone stale unopened, missed. What a viewer opened before it was made, or what was not made within five minutes, is forgotten.
with clock as materialized (
    select openbell.now() as t
), looked as materialized (
    select f.product, f.key, f.made_at, a.checked_at, a.fresh_until,
        a.checked_at >= f.asked_at as is_made,
        exists (select 1 from openbell.demand d
            where d.product = f.product and d.key = f.key and d.job_class < $1 and d.expires_at > clock.t) as is_wanted
    from clock, openbell.prefetch f left join openbell.artifact a on a.product = f.product and a.key = f.key
), judged as (
    select l.*, case
            when l.made_at is null and l.is_wanted then 'taken over'
            when l.made_at is null and l.is_made then 'made'
            when l.made_at is null then null
            when l.is_wanted and l.fresh_until > clock.t then 'hit'
            when l.fresh_until is null or l.fresh_until <= clock.t then 'missed'
        end as word
    from clock, looked l
), noted as (
    update openbell.prefetch f set made_at = clock.t, fresh_until = j.fresh_until
    from clock, judged j
    where j.word = 'made' and f.product = j.product and f.key = j.key
), ended as (
    delete from openbell.prefetch f using clock, judged j
    where f.product = j.product and f.key = j.key
        and (j.word in ('taken over', 'hit', 'missed') or j.word is null and f.made_at is null and f.asked_at < clock.t - interval '5 minutes')
)
insert into openbell.prefetch_count as c (product, day, made, hits, missed)
select j.product, (clock.t at time zone 'UTC')::date, count(*) filter (where j.word = 'made'), count(*) filter (where j.word = 'hit'),
    count(*) filter (where j.word = 'missed')
from clock, judged j where j.word in ('made', 'hit', 'missed')
group by 1, 2
on conflict (product, day) do update
set made = c.made + excluded.made, hits = c.hits + excluded.hits, missed = c.missed + excluded.missed
