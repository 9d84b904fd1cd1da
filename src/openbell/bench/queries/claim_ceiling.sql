update bench.ceiling set taken_at = now()
where id in (
    select c.id from bench.ceiling c
    where c.taken_at is null
    order by c.priority, c.id limit $1 for update skip locked
)
returning id, args
