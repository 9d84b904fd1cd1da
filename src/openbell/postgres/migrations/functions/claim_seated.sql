-- Claims jobs one by one under the limits of openbell.seat_limit. Claims of limited work take turns, so the counts are
-- exact; a product or class that is full is left out of the search, so that it hides nobody behind it. Small tasks are
-- claimed singly here, after all others.
create or replace function openbell.claim_seated(p_products text[], p_classes smallint[], p_worker bigint, p_most integer)
returns setof openbell.job
language plpgsql set plan_cache_mode = force_custom_plan as $$
declare
    r openbell.job;
    v_token bigint := openbell.new_token();
    v_now timestamptz;
    v_full text;
begin
    perform pg_advisory_xact_lock(hashtext('openbell.seat'));
    v_now := openbell.now();
    while p_most > 0 loop
        select j.* into r from openbell.job j
        where j.parked_until is null and j.token is null
            and array_position(p_classes, j.job_class) is not null and j.product = any (p_products)
        order by j.bundled, j.job_class, (-j.number), j.id
        limit 1 for update skip locked;
        exit when not found;
        v_full := openbell.full_limit(r.product, r.job_class);
        if v_full = 'product' then
            p_products := array_remove(p_products, r.product);
        elsif v_full is not null then
            p_classes := array_remove(p_classes, r.job_class);
        else
            insert into openbell.seat (job_id, product, job_class) values (r.id, r.product, r.job_class)
            on conflict (job_id) do nothing;
            update openbell.job j set attempt = j.attempt + 1, worker = p_worker, token = v_token, started_at = v_now
            where j.id = r.id returning * into r;
            p_most := p_most - 1;
            return next r;
        end if;
    end loop;
end $$;
