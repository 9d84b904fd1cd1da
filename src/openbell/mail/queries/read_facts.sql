select d.id, d.kind, d.artifact, d.state, d.list, d.message_id, d.send_at, d.expires_at, d.person_id, p.state as person_state, p.role,
    coalesce(p.address, case when d.person_id is null then d.address end) as recipient, p.mail_token,
    d.list is null or openbell.wants_mail(d.person_id, d.list) as wants,
    d.ticker is null or p.role = 'admin'
        or exists (select 1 from openbell.follow f where f.person_id = d.person_id and f.ticker = d.ticker) as follows,
    exists (
        select 1 from openbell.suppression s where s.hash = sha256(convert_to(coalesce(p.address, d.address), 'UTF8'))) as suppressed,
    exists (select 1 from openbell.meta m where m.key = 'mail_stop') as stopped,
    (select m.value #>> '{}' from openbell.meta m where m.key = 'environment') as environment,
    (select openbell.now()) as now
from openbell.delivery d left join openbell.person p on p.id = d.person_id
where d.id = $1
