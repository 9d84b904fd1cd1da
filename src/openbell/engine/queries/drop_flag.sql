with gone as (
    delete from openbell.flag where name = $1 returning *
)
insert into openbell.audit (actor, action, target, before)
select $2, 'flag.drop', gone.name, to_jsonb(gone) from gone
returning target
