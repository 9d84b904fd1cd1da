-- Those that fire, the newest first, then those that were cleared lately; those in state $1 where one is asked for.
select a.id, a.code, a.about, a.level, a.message, a.mend, a.figure, a.state, a.first_at, a.seen_at, a.fired_at, a.cleared_at, a.acknowledged_at,
    a.acknowledged_by, (
        select max(s.until) from openbell.alert_silence s
        where s.until > (select openbell.now()) and s.code in (a.code, '*') and s.about in (a.about, '')
    ) as silenced_until, (
        select coalesce(jsonb_agg(jsonb_build_object('event', n.event, 'channel', n.channel, 'state', n.state, 'tries', n.tries, 'note', n.note) order by n.id), '[]')
        from openbell.alert_notice n where n.alert_id = a.id
    ) as notices
from openbell.alert a
where case when $1::text is null then a.state <> 'pending' else a.state = $1 end
order by a.state = 'cleared', coalesce(a.cleared_at, a.fired_at, a.first_at) desc, a.id desc
limit $2
