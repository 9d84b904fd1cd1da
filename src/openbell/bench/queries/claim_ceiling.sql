-- The array makes the search happen once, whatever the planner thinks of the table.
update bench.ceiling set taken_at = now()
where id = any (array(
    select c.id from bench.ceiling c
    where c.taken_at is null
    order by c.priority, c.id limit $1 for update skip locked
))
returning id, args
