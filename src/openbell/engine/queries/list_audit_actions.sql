-- Every action that the audit log knows, one step of its index each.
with recursive known as (
    (select a.action from openbell.audit a order by a.action using operator(pg_catalog.~<~) limit 1)
    union all
    select (select a.action from openbell.audit a where a.action ~>~ known.action order by a.action using operator(pg_catalog.~<~) limit 1)
    from known where known.action is not null
)
select known.action from known where known.action is not null order by known.action
