insert into openbell.digest_feed (kind, subject)
select u.kind, u.subject
from unnest($1::text[], $2::text[]) u (kind, subject)
order by 1, 2
on conflict (kind, subject) do nothing
