-- Sums what has ended since the last time, and the depth of the queue, by the minute, and those into longer steps; p_edges are
-- the edges of the histogram of waits. The last minutes are summed again, for what was committed late. What has piled up is
-- taken in pieces of three hours, at most a week of it. Answers up to when it has summed.
create or replace function openbell.fold_trends(p_edges float8[]) returns timestamptz
language plpgsql as $$
declare
    v_now timestamptz := date_trunc('minute', openbell.now(), 'UTC') + interval '1 minute';
    v_from timestamptz := coalesce((select (m.value #>> '{}')::timestamptz from openbell.meta m where m.key = 'trends'), v_now - interval '3 hours');
    v_to timestamptz;
    v_step smallint[];
begin
    v_from := date_trunc('minute', least(greatest(v_from, v_now - interval '7 days'), v_now) - interval '4 minutes', 'UTC');
    v_to := least(v_from + interval '3 hours', v_now);

    with ended as (
        select date_trunc('minute', h.finished_at, 'UTC') as at, h.job_class, h.outcome in ('failed', 'expired') as is_bad,
            case when h.started_at is not null and h.code is distinct from 'skipped'
                then width_bucket(extract(epoch from h.started_at - h.queued_at)::float8, p_edges) end as bucket
        from openbell.job_history h where h.finished_at >= v_from and h.finished_at < v_to and h.outcome <> 'cancelled'
    ), parted as (
        select e.at, e.job_class, e.bucket, count(*) as jobs, count(*) filter (where e.is_bad) as bad from ended e group by 1, 2, 3
    ), counted as (
        select p.at, p.job_class, sum(p.jobs - p.bad) as good, sum(p.bad) as bad,
            array_agg(p.bucket) filter (where p.bucket is not null) as buckets, array_agg(p.jobs) filter (where p.bucket is not null) as jobs
        from parted p group by 1, 2
    ), deep as (
        select d.at, d.job_class, sum(d.waiting) as waiting, sum(d.parked) as parked, sum(d.running) as running, max(d.oldest_wait) as oldest_wait
        from openbell.depth d where d.at >= v_from and d.at < v_to group by 1, 2
    )
    insert into openbell.trend_work as t (step, at, job_class, good, bad, waits, waiting, parked, running, oldest_wait)
    select 1, coalesce(c.at, d.at), coalesce(c.job_class, d.job_class), coalesce(c.good, 0), coalesce(c.bad, 0), coalesce((
            select array_agg(coalesce(u.jobs, 0)::integer order by g.bucket) from generate_series(0, array_length(p_edges, 1)) g (bucket)
            left join unnest(c.buckets, c.jobs) u (bucket, jobs) on u.bucket = g.bucket where c.buckets is not null
        ), '{}'),
        case when l.at is not null then coalesce(d.waiting, 0) end, case when l.at is not null then coalesce(d.parked, 0) end,
        case when l.at is not null then coalesce(d.running, 0) end, d.oldest_wait
    from counted c
    full join deep d on d.at = c.at and d.job_class = c.job_class
    left join (select distinct s.at from deep s) l on l.at = coalesce(c.at, d.at)
    on conflict (step, at, job_class) do update set good = excluded.good, bad = excluded.bad, waits = excluded.waits,
        waiting = excluded.waiting, parked = excluded.parked, running = excluded.running, oldest_wait = excluded.oldest_wait
    where (t.good, t.bad, t.waits, t.waiting, t.parked, t.running, t.oldest_wait) is distinct from
        (excluded.good, excluded.bad, excluded.waits, excluded.waiting, excluded.parked, excluded.running, excluded.oldest_wait);

    insert into openbell.trend_cost as t (step, at, provider, calls, cost_micro)
    select 1, date_trunc('minute', s.ended_at, 'UTC'), s.provider, count(*), sum(s.cost_micro)
    from openbell.spend s where s.ended_at >= v_from and s.ended_at < v_to and (s.state <> 'released' or s.took <> '{}')
    group by 2, 3
    on conflict (step, at, provider) do update set calls = excluded.calls, cost_micro = excluded.cost_micro
    where (t.calls, t.cost_micro) is distinct from (excluded.calls, excluded.cost_micro);

    foreach v_step slice 1 in array array[array[1, 15], array[15, 120]]::smallint[][] loop
        with part as (
            select date_bin(make_interval(mins => v_step[2]), t.at, timestamptz '2000-01-01 00:00Z') as bin, t.*
            from openbell.trend_work t
            where t.step = v_step[1] and t.at >= date_bin(make_interval(mins => v_step[2]), v_from, timestamptz '2000-01-01 00:00Z') and t.at < v_to
        ), waited as (
            select s.bin, s.job_class, array_agg(s.jobs order by s.n) as waits from (
                select p.bin, p.job_class, u.n, sum(u.jobs)::integer as jobs from part p, unnest(p.waits) with ordinality u (jobs, n) group by 1, 2, 3) s
            group by 1, 2
        )
        insert into openbell.trend_work as t (step, at, job_class, good, bad, waits, waiting, parked, running, oldest_wait)
        select v_step[2], p.bin, p.job_class, sum(p.good), sum(p.bad), coalesce(min(w.waits), '{}'), max(p.waiting), max(p.parked), max(p.running), max(p.oldest_wait)
        from part p left join waited w on w.bin = p.bin and w.job_class = p.job_class
        group by p.bin, p.job_class
        on conflict (step, at, job_class) do update set good = excluded.good, bad = excluded.bad, waits = excluded.waits,
            waiting = excluded.waiting, parked = excluded.parked, running = excluded.running, oldest_wait = excluded.oldest_wait;

        insert into openbell.trend_cost as t (step, at, provider, calls, cost_micro)
        select v_step[2], date_bin(make_interval(mins => v_step[2]), c.at, timestamptz '2000-01-01 00:00Z'), c.provider, sum(c.calls), sum(c.cost_micro)
        from openbell.trend_cost c
        where c.step = v_step[1] and c.at >= date_bin(make_interval(mins => v_step[2]), v_from, timestamptz '2000-01-01 00:00Z') and c.at < v_to
        group by 2, 3
        on conflict (step, at, provider) do update set calls = excluded.calls, cost_micro = excluded.cost_micro;
    end loop;

    delete from openbell.trend_work t using (values (1, interval '6 hours'), (15, interval '3 days'), (120, interval '90 days')) k (step, kept)
    where t.step = k.step and t.at < v_to - k.kept;
    delete from openbell.trend_cost t using (values (1, interval '6 hours'), (15, interval '3 days'), (120, interval '90 days')) k (step, kept)
    where t.step = k.step and t.at < v_to - k.kept;
    insert into openbell.meta (key, value) values ('trends', to_jsonb(v_to)) on conflict (key) do update set value = excluded.value;
    return v_to;
end $$;
