-- Removes the flag if it is still as at revision $3; null stands for any.
with gone as (
    delete from openbell.flag where name = $1 and revision = coalesce($3, revision) returning *
)
insert into openbell.audit (actor, action, target, before)
select $2, 'flag.drop', gone.name, to_jsonb(gone) from gone
returning target
