-- The tasks of a bundle that are done, each under its token. Answers how many were still ours.
with gone as (
    delete from openbell.job j using unnest($1::bigint[], $2::bigint[]) as u (id, token)
    where j.id = u.id and j.token = u.token and j.cancelled_by is null
    returning j.*
), kept as (
    insert into openbell.job_history (
        id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro, batch, trail)
    select g.id, g.product, g.key, g.job_class, 'done', g.attempt, g.queued_at, g.started_at, openbell.now(), g.worker, 0, g.batch, g.trail
    from gone g
    returning batch
), counted as (
    update openbell.batch b set done = b.done + c.n
    from (select k.batch, count(*) as n from kept k where k.batch is not null group by k.batch) c
    where b.id = c.batch
), freed as (
    delete from openbell.seat s using gone g where s.job_id = g.id
), forgotten as (
    delete from openbell.step s using gone g where s.job_id = g.id
)
select count(*) from kept
