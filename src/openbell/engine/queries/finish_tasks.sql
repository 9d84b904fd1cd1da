-- The tasks of a bundle that are done, all under the token of its claim. Answers how many were still ours.
with gone as (
    delete from openbell.job j
    where j.id = any ($1::bigint[]) and j.token = $2 and j.cancelled_by is null
    returning j.*
), kept as (
    insert into openbell.job_history (
        id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro, batch)
    select g.id, g.product, g.key, g.job_class, 'done', g.attempt, g.queued_at, g.started_at, clock.t, g.worker, 0, g.batch
    from gone g, (select openbell.now() as t) clock
    returning batch
), counted as (
    update openbell.batch b set done = b.done + c.n
    from (select k.batch, count(*) as n from kept k where k.batch is not null group by k.batch) c
    where b.id = c.batch
)
select count(*) from kept
