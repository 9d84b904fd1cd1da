-- The state of the house in one line, above every page of the console.
select
    (select count(*) from openbell.alert a where a.state = 'firing') as firing,
    (select count(*) from openbell.worker w where w.expires_at > openbell.now() and not w.gone) as workers,
    exists (select 1 from openbell.meta m where m.key = 'mail_stop' and jsonb_typeof(m.value) = 'object') as stopped,
    openbell.now() as now
