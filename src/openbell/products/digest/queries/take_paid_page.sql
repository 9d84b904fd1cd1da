-- One of the pages that may be paid for today, in the zone $1; no row when they are used up.
insert into openbell.digest_paid as p (day, used)
select ((select openbell.now()) at time zone $1)::date, 1
where $2 > 0
on conflict (day) do update set used = p.used + 1 where p.used < $2
returning p.used
