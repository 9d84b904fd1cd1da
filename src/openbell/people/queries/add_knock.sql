-- How often before, within the time; old ones of anybody are cleared on the way.
with old as (
    delete from openbell.knock where at < (select openbell.now()) - interval '1 day'
), added as (
    insert into openbell.knock (who, at) values ($1, (select openbell.now()))
)
select count(*) from openbell.knock where who = $1 and at > (select openbell.now()) - $2::interval
