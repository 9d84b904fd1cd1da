select s.edition, s.status, s.code, s.message from openbell.picks_slot s where s.week = $1 and s.status <> 'complete' order by s.edition limit 100
