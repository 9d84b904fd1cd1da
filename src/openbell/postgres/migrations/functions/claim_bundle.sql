-- Claims many small tasks at once. The search begins behind the place that the last claim has reached, so that it need not
-- pass again what was there. Rows are found again by their place on the page: between the lock and the change nobody can
-- move them. The plan is made for these very arguments: one for all alike took 24 ms under a held snapshot instead of 0.3.
create or replace function openbell.claim_bundle(
    p_products text[], p_classes smallint[], p_worker bigint, p_most integer, p_class smallint, p_rank smallint, p_id bigint
) returns table (
    id bigint, product text, key text, token bigint, attempt smallint, max_attempts smallint, job_class smallint, rank smallint,
    queued_at timestamptz, now timestamptz, args jsonb
)
language plpgsql set plan_cache_mode = force_custom_plan set enable_sort = off set enable_bitmapscan = off set enable_seqscan = off as $$
#variable_conflict use_column
declare
    v_token bigint := openbell.new_token();
    v_now timestamptz := openbell.now();
begin
    -- Losing a claim in a crash loses nothing.
    perform set_config('synchronous_commit', 'off', true);
    return query
    with picked as (
        select j.ctid as place
        from openbell.job j
        where j.bundled and j.parked_until is null and j.token is null
            and (j.job_class, -j.number, j.id) > (p_class, p_rank, p_id)
            and array_position(p_classes, j.job_class) is not null and j.product = any (p_products)
        order by j.job_class, (-j.number), j.id
        limit p_most for update skip locked
    )
    update openbell.job j
    set attempt = j.attempt + 1, worker = p_worker, token = v_token, started_at = v_now
    where j.ctid = any (array(select place from picked))
    returning j.id, j.product, j.key, j.token, j.attempt, j.max_attempts, j.job_class, -j.number, j.queued_at, v_now, j.args;
end $$;
