-- Whoever is erased has no series, comparisons or notes of their own, nothing that was made of their series, and no answer
-- that was read and did not pass. What else there is of them goes with openbell.people, and picks with forget_picks.
-- With the rights of its owner: results and history are none that a web process may delete.
create or replace function openbell.forget_rest() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
    v_products constant text[] := '{comparison,forecast,comparison-note}';
    v_terms text[];
    v_keys text[];
    v_table text;
begin
    with gone as (delete from openbell.forecast_upload u where u.person_id = new.id returning u.name)
    select array_agg('csv ' || gone.name) into v_terms from gone;
    if v_terms is not null then  -- keys of comparisons, forecasts and notes begin with both terms
        select array_agg(distinct k.key) into v_keys from (
            select a.key from openbell.artifact a where a.product = any (v_products)
            union all select c.key from openbell.cooldown c where c.product = any (v_products)
            union all select d.key from openbell.demand d where d.product = any (v_products)
            union all select j.key from openbell.job j where j.product = any (v_products)
            union all select r.key from openbell.forecast_run r
        ) k where split_part(k.key, '|', 1) = any (v_terms) or split_part(k.key, '|', 2) = any (v_terms);
        perform openbell.cancel_job(j.id, 'series of person ' || new.id || ' are gone')
        from openbell.job j where j.product = any (v_products) and j.key = any (v_keys);
        foreach v_table in array array['demand', 'cooldown', 'artifact', 'version', 'rejected', 'job_history'] loop
            execute format('delete from openbell.%I t where t.product = any ($1) and t.key = any ($2)', v_table)
                using v_products, v_keys;
        end loop;
        delete from openbell.forecast_run r where r.key = any (v_keys);
        delete from openbell.forecast_input i where i.comparison = any (v_keys);
        delete from openbell.forecast_note n where n.key = any (v_keys);
        delete from openbell.saved_comparison c where split_part(c.pair, '|', 1) = any (v_terms) or split_part(c.pair, '|', 2) = any (v_terms);
    end if;
    delete from openbell.saved_comparison c where c.person_id = new.id;
    delete from openbell.forecast_note n where n.person_id = new.id;
    delete from openbell.rejected r where r.key like new.id || '|%';
    delete from openbell.forecast_knock k where k.who like '%person ' || new.id;
    return null;
end $$;
