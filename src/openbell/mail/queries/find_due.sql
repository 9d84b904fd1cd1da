select d.id from openbell.delivery d
where d.state = 'ready' and d.send_at <= (select openbell.now())
    and not exists (select 1 from openbell.job j where j.product = 'mail-delivery' and j.key = d.id::text)
order by d.send_at, d.id limit 5000
