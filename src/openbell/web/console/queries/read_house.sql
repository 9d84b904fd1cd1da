-- The state of the house in one line, above every page of the console.
select
    (select count(*) from openbell.alert a where a.state = 'firing') as firing,
    (select openbell.now()) as now
