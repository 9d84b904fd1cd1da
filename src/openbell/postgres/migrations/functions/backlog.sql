-- How many jobs a worker could run now: those that run, that wait, and whose pause is over; never more than the fleet may run at
-- once. Jobs parked for an account or a provider do not count: more workers would not help them. What scales workers asks this,
-- with the rights of its owner, so that it needs no other right than to call it.
create or replace function openbell.backlog() returns bigint
    language sql stable security definer set search_path = ''
    return least(
        (select count(*) from openbell.job j where j.parked_until is null or j.parked_until <= (select openbell.now())),
        (select s.most::bigint from openbell.seat_limit s where s.scope = 'total')
    );
