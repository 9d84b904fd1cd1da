-- Batches whose jobs have all ended, and were submitted longer ago than history is kept.
delete from openbell.batch
where id in (
    select b.id from openbell.batch b
    where b.created_at < (select openbell.now()) - $1::interval and b.done + b.failed + b.cancelled >= b.total
        and not exists (select 1 from openbell.job j where j.batch = b.id)
    order by b.id limit $2
)
