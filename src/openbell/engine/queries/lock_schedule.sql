select s.name, s.product, p.kind, s.key, s.args, s.cron, s.zone, s.missed, s.max_late, s.next_at, p.patience, openbell.now() as now
from openbell.schedule s
join openbell.product p on p.name = s.product
where s.name = $1 for update of s
