select s.id, s.product, s.key, s.idempotency_key from openbell.spend s where s.state = 'unknown' and s.effect <> 'repeat' order by s.id
