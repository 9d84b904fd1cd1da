-- Work for each backfill that is not over, has no job and did not fail a moment ago.
insert into openbell.job (product, key, args, bundled, job_class, number, max_attempts)
select p.name, b.name, null, false, p.job_class, 1, p.max_attempts
from openbell.backfill b join openbell.product p on p.name = 'backfill' and p.enabled
where b.finished_at is null
    and not exists (select 1 from openbell.cooldown c where c.product = p.name and c.key = b.name and c.retry_at > (select openbell.now()))
on conflict (product, key) do nothing
returning key
