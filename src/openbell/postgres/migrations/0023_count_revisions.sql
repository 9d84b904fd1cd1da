-- phase: expand
--
-- What an operator has looked at carries a number, so that a change on top of another's that nobody has seen is refused;
-- and the audit log is read by who, what, on which object and when, page by page, however long it is.

alter table openbell.flag add column revision integer not null default 1;
alter table openbell.schedule add column revision integer not null default 1;
alter table openbell.product add column revision integer not null default 1;

create function openbell.count_revision() returns trigger language plpgsql as $$
begin
    new.revision := old.revision + 1;
    return new;
end $$;
create trigger revision_counts before update on openbell.flag
    for each row execute function openbell.count_revision();
create trigger revision_counts before update on openbell.schedule
    for each row when ((old.cron, old.zone, old.missed, old.max_late, old.enabled) is distinct from (new.cron, new.zone, new.missed, new.max_late, new.enabled))
    execute function openbell.count_revision();
create trigger revision_counts before update on openbell.product
    for each row when (old.* is distinct from new.*) execute function openbell.count_revision();

-- Each begins with what is asked for exactly or by its beginning, and goes on in the order of the pages. The log is short where
-- there is one already, and nothing writes to it but people and their commands.
-- squawk-ignore require-concurrent-index-creation
create index audit_newest on openbell.audit (at, id);
-- squawk-ignore require-concurrent-index-creation
create index audit_by_actor on openbell.audit (actor text_pattern_ops, at, id);
-- squawk-ignore require-concurrent-index-creation
create index audit_by_action on openbell.audit (action text_pattern_ops, at, id);
-- squawk-ignore require-concurrent-index-creation
create index audit_by_target on openbell.audit (target text_pattern_ops, at, id);
-- squawk-ignore require-concurrent-index-creation
create index audit_by_actor_and_action on openbell.audit (actor text_pattern_ops, action text_pattern_ops, at, id);
