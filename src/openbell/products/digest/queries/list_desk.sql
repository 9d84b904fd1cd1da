-- The editions of the last days, newest first, at most $1: how far each is, and what became of its mails.
with edition as (
    select e.ticker, e.edition, e.day, e.send_at, e.mailed_version, e.quiet, e.alerted_at,
        e.ticker || '|' || e.edition || '|' || e.day as key
    from openbell.digest_edition e
    order by e.day desc, e.ticker, e.edition
    limit $1
)
select e.*, a.version, v.cost_micro, j.state::text as job_state, j.progress,
    m.first_mail, m.second_mail, m.third_mail, m.ready, m.held, m.sent, m.other
from edition e
left join openbell.artifact a on a.product = 'digest' and a.key = e.key
left join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
left join openbell.job j on j.product = 'digest' and j.key = e.key
left join lateral (
    select max(d.id) filter (where d.kind = 'digest-selection') as first_mail,
        max(d.id) filter (where d.kind = 'digest-content') as second_mail,
        max(d.id) filter (where d.kind = 'digest') as third_mail,
        count(*) filter (where d.kind = 'digest' and d.state = 'ready') as ready,
        count(*) filter (where d.kind = 'digest' and d.state = 'held') as held,
        count(*) filter (where d.kind = 'digest' and d.state = 'sent') as sent,
        count(*) filter (where d.kind = 'digest' and d.state not in ('ready', 'held', 'sent')) as other
    from openbell.delivery d
    where d.artifact = 'digest ' || e.key
) m on true
order by e.day desc, e.ticker, e.edition
