select count(*) as places, count(*) filter (where s.status <> 'complete') as undone,
    count(*) filter (where s.status = 'error') as failed, min(s.message) filter (where s.status = 'error') as said
from openbell.picks_slot s where s.week = $1
