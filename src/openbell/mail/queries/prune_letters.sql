-- Letters of nobody, at most $2.
delete from openbell.letter l
where l.hash in (
    select old.hash from openbell.letter old
    where old.created_at < (select openbell.now()) - $1::interval
        and not exists (select 1 from openbell.delivery d where d.letter = old.hash)
    limit $2
)
