with before as (
    select to_jsonb(p) - 'single' - 'changed_at' as row from openbell.digest_policy p
), after as (
    update openbell.digest_policy p
    set zone = $1, pages_per_job = $2, pages_per_day = $3, quiet = $4, topup = $5, approval = $6,
        changed_at = (select openbell.now())
    returning to_jsonb(p) - 'single' - 'changed_at' as row
)
insert into openbell.audit (actor, action, target, before, after)
select $7, 'digest.policy', 'digest', b.row, a.row from before b cross join after a
