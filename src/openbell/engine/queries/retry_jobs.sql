-- Queues the ended jobs $1 (their ids; $2 when they ended) again by hand, as openbell.retry_job does with one, each audited for $3; how many
-- have come to what, as judge_retries tells it. Whoever is second finds them live.
with judged as materialized (
    select h.id, h.product, h.key, h.args, h.job_class, p.kind, p.bundle, p.max_attempts, case
        when p.name is null then 'gone'
        when exists (select 1 from openbell.job j where j.product = h.product and j.key = h.key) then 'live'
        when exists (select 1 from openbell.job_history l where l.key = h.key and l.product = h.product and l.finished_at > h.finished_at) then 'since'
        when exists (select 1 from openbell.cooldown c where c.product = h.product and c.key = h.key and c.retry_at >= '9999-01-01') then 'doubt'
        else 'again' end as verdict
    from unnest($1::bigint[], $2::timestamptz[]) as u (id, at)
    join openbell.job_history h on h.finished_at = u.at and h.id = u.id
    left join openbell.product p on p.name = h.product
), queued as (
    insert into openbell.job (product, key, args, bundled, job_class, max_attempts)
    select j.product, j.key, j.args, j.bundle > 1, j.job_class, j.max_attempts from judged j where j.verdict = 'again' order by j.product, j.key
    on conflict (product, key) do nothing
    returning id, product, key
), forgotten as (
    delete from openbell.cooldown c using queued q where c.product = q.product and c.key = q.key
), wished as (
    insert into openbell.demand (source, product, key, weight, job_class, expires_at)
    select distinct on (j.product, j.key) 'operator', j.product, j.key, 1, j.job_class, (select openbell.now()) + interval '1 hour'
    from judged j join queued q on q.product = j.product and q.key = j.key where j.kind = 'artifact'
    on conflict (product, key, source) do update set expires_at = excluded.expires_at
), noted as (
    insert into openbell.audit (actor, action, target, after)
    select $3, 'job.retry', j.id::text, jsonb_build_object('job', q.id, 'many', true)
    from judged j join queued q on q.product = j.product and q.key = j.key where j.verdict = 'again'
)
select case when j.verdict = 'again' and q.id is null then 'live' else j.verdict end as verdict, count(*) as jobs
from judged j left join queued q on q.product = j.product and q.key = j.key and j.verdict = 'again'
group by 1
