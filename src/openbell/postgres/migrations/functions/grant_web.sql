-- What web processes need under a role of their own, and nothing else: they read everything and write what people and
-- operators decide. Products are declared by code (only their policy may be set), results and history are written by
-- workers, what was done stays written down, and nothing is created, altered or emptied. To be called again after a
-- migration that adds tables.
create or replace function openbell.grant_web(p_role name)
returns void
language plpgsql as $$
declare
    v_read text[] := '{product,shape,artifact,version,job_history,estimate,estimated,clock,audit,backup,migration,migration_past,backfill}';
    v_table text;
begin
    execute format('grant usage on schema openbell to %I', p_role);
    execute format('revoke all on all tables in schema openbell from %I', p_role);
    execute format('grant select on all tables in schema openbell to %I', p_role);
    execute format('grant usage on all sequences in schema openbell to %I', p_role);
    for v_table in
        select c.relname from pg_catalog.pg_class c
        where c.relnamespace = 'openbell'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and c.relname <> all (v_read)
    loop
        execute format('grant insert, update, delete on openbell.%I to %I', v_table, p_role);
    end loop;
    execute format('grant insert on openbell.audit, openbell.job_history to %I', p_role);
    execute format('grant update (cost_micro) on openbell.job_history to %I', p_role);  -- what a resolved call has cost
    execute format('grant update (ttl, stale_ttl, empty_ttl, retry_ttl, keep_for, timeout, patience, max_attempts, max_bytes,
        calls, bytes, enabled, changed_at) on openbell.product to %I', p_role);
    execute format('grant update (fresh_until) on openbell.artifact to %I', p_role);
    if to_regnamespace('data') is not null then
        execute format('grant usage on schema data to %I', p_role);
        execute format('grant select on all tables in schema data to %I', p_role);
    end if;
end $$;
