-- Remove some of what is known from a provider or under a licence: up to p_most rows of each table; how many of each. Books
-- and history stay: they tell of calls, and hold no content. An artifact loses its head before its versions, so that nobody
-- is shown half of it. With p_most null nothing is removed, and all of it is counted.
create or replace function openbell.purge_step(p_provider text, p_licence text, p_most integer)
returns table (what text, n bigint) language plpgsql as $$
#variable_conflict use_column
declare
    v_products text[] := array(
        select p.name from openbell.product p
        where p.kind = 'artifact' and (p_provider is null or p.provider = p_provider) and (p_licence is null or p.licence = p_licence));
    v_table text;
    v_count bigint;
    v_part record;
begin
    for v_part in
        select * from (values
            ('artifact', 'product = any ($1) or exists (select 1 from openbell.version v where v.product = t.product and v.key = t.key
                and v.version = t.version and ($2 is null or v.provenance ->> ''provider'' = $2) and ($3 is null or v.licence = $3))'),
            ('version', '($2 is null or t.provenance ->> ''provider'' = $2 or t.product = any ($1)) and ($3 is null or t.licence = $3)'),
            ('cooldown', 't.product = any ($1) and t.retry_at < ''9999-01-01'''),  -- what may have been paid for still waits for an operator
            ('rejected', 't.product = any ($1) or $2 is not null and t.provider = $2'),
            ('trial', '$2 is not null and exists (select 1 from openbell.product p where p.name = t.challenger and p.provider = $2)'),
            ('answer', '$2 is not null and t.provider = $2'),
            ('picks_answer', '$2 is not null and t.provider = $2'),
            ('digest_article', '$2 = ''news'''),
            ('digest_sighting', '$2 = ''news'''),
            ('digest_link', '$2 = ''google_links'''),
            ('digest_text', '$2 in (''news'', ''edgar'') and ($2 = ''edgar'') = exists (select 1 from openbell.digest_filing f where f.text_ref = t.ref)'),
            ('digest_filing', '$2 = ''edgar''')
        ) as part (name, rule)
    loop
        if p_most is null then
            execute format('select count(*) from openbell.%I t where %s', v_part.name, v_part.rule)
                into v_count using v_products, p_provider, p_licence;
        else
            execute format('delete from openbell.%I d where d.ctid = any (array(select t.ctid from openbell.%I t where %s %s limit $4))',
                v_part.name, v_part.name, v_part.rule, case v_part.name  -- what points to another goes before it: its key says so
                    when 'digest_article' then 'and not exists (select from openbell.digest_article c where c.same_as = t.id)' end)
                using v_products, p_provider, p_licence, p_most;
            get diagnostics v_count = row_count;
        end if;
        what := v_part.name; n := v_count;
        return next;
        exit when v_count = p_most;  -- what comes later is found, or spared, by what this part still holds
    end loop;
    for v_table in
        select c.relname from pg_class c join pg_namespace s on s.oid = c.relnamespace
        where s.nspname = 'data' and c.relkind = 'r' and c.relname = any (array(select replace(one, '-', '_') from unnest(v_products) one))
    loop
        if p_most is null then
            execute format('select count(*) from data.%I', v_table) into v_count;
        else
            execute format('delete from data.%I d where d.ctid = any (array(select t.ctid from data.%I t limit $1))', v_table, v_table) using p_most;
            get diagnostics v_count = row_count;
        end if;
        what := 'data.' || v_table; n := v_count;
        return next;
    end loop;
end $$;
