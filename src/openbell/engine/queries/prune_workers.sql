delete from openbell.worker w
where w.expires_at < openbell.now() - interval '1 day'
    and not exists (select 1 from openbell.job j where j.worker = w.id and j.state = 'running')
