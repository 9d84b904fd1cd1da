-- No row while the flag $2 is off and nothing that was prefetched is left to be counted; else whether this beat is this process's.
with state as materialized (
    select exists (select 1 from openbell.flag f where f.name = $2 and f.mode <> 'off') as is_on,
        exists (select 1 from openbell.prefetch) as to_count
), turn as (
    update openbell.duty d set next_at = openbell.now() + $1::interval
    from state s
    where d.name = 'prefetch' and d.next_at <= openbell.now() and (s.is_on or s.to_count)
    returning true
)
select s.is_on, exists (select 1 from turn) as ours from state s where s.is_on or s.to_count
