-- Notices that are due, for whoever tells them; nobody else sees them until the transaction ends.
select n.id, n.event, n.channel, n.tries, a.id as alert_id, a.code, a.about, a.level, a.message, a.mend, a.figure, a.fired_at, a.cleared_at, openbell.now() as now
from openbell.alert_notice n join openbell.alert a on a.id = n.alert_id
where n.state = 'ready' and n.channel = $1 and n.next_at <= openbell.now()
order by n.id limit $2 for update of n skip locked
