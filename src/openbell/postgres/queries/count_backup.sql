-- What a restored database must have again, of the snapshot that is dumped.
select (select count(*) from openbell.artifact) as artifacts, (select count(*) from openbell.version) as versions,
    (select count(*) from openbell.spend) as spends, (select coalesce(sum(s.cost_micro), 0)::bigint from openbell.spend s) as cost_micro,
    (select coalesce(sum(a.held + a.spent + a.overrun), 0)::bigint from openbell.account a) as booked,
    (select count(*) from openbell.delivery) as deliveries, (select count(*) from openbell.person) as people,
    (select count(*) from openbell.job) as jobs, (select count(*) from openbell.job_history) as ended_jobs,
    (select max(m.name) from openbell.migration m where m.name not like 'functions/%') as schema
