-- Write down what the rules have found, as a list of {code, about, level, message, mend, figure, hold_s}; the notices are
-- written with it, one a channel. What is found fires once it has held for its time. What is found no more is cleared once
-- it has been away for p_quiet, or forgotten if it never fired. Returns what has fired or was cleared just now.
create or replace function openbell.note_alerts(p_found jsonb, p_quiet interval, p_channels text[])
returns table (id bigint, code text, about text, event text) language plpgsql as $$
#variable_conflict use_column
declare
    t timestamptz := openbell.now();
begin
    insert into openbell.alert as a (code, about, level, message, mend, figure, state, first_at, seen_at)
    select f.code, f.about, f.level, f.message, f.mend, f.figure, 'pending', t, t
    from jsonb_to_recordset(p_found) f (code text, about text, level text, message text, mend text, figure float8)
    on conflict (code, about) where state <> 'cleared' do update
    set level = excluded.level, message = excluded.message, mend = excluded.mend, figure = excluded.figure, seen_at = excluded.seen_at;

    delete from openbell.alert a where a.state = 'pending' and a.seen_at < t;

    return query
    with fired as (
        update openbell.alert a set state = 'firing', fired_at = t
        from jsonb_to_recordset(p_found) f (code text, about text, hold_s float8)
        where a.code = f.code and a.about = f.about and a.state = 'pending' and a.first_at <= t - make_interval(secs => f.hold_s)
        returning a.id, a.code, a.about
    ), cleared as (
        update openbell.alert a set state = 'cleared', cleared_at = t
        where a.state = 'firing' and a.seen_at < t and a.seen_at <= t - p_quiet
        returning a.id, a.code, a.about
    ), changed as (
        select f.id, f.code, f.about, 'fired'::text as event from fired f
        union all select c.id, c.code, c.about, 'cleared' from cleared c
    ), told as (
        insert into openbell.alert_notice (alert_id, event, channel, state, next_at)
        select c.id, c.event, wanted.name,
            case when exists (
                select 1 from openbell.alert_silence s where s.until > t and s.code in (c.code, '*') and s.about in (c.about, '')
            ) or c.event = 'cleared' and not exists (
                select 1 from openbell.alert_notice n where n.alert_id = c.id and n.event = 'fired' and n.channel = wanted.name and n.state in ('ready', 'told')
            ) then 'silenced' else 'ready' end, t
        from changed c cross join unnest(p_channels) wanted (name)
        on conflict do nothing
    )
    select c.id, c.code, c.about, c.event from changed c;

    -- What still fires when its silence is over is told then.
    update openbell.alert_notice n set state = 'ready', next_at = t
    from openbell.alert a
    where n.alert_id = a.id and n.state = 'silenced' and n.event = 'fired' and a.state = 'firing' and not exists (
        select 1 from openbell.alert_silence s where s.until > t and s.code in (a.code, '*') and s.about in (a.about, ''));
end $$;
