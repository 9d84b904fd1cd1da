-- The account of a limit, of the period that runs now where it has periods. A limit below what is in use holds for new calls at
-- once; the granted sum follows as use ends. What a restore has paused stays paused in the next period, until somebody resumes it.
with period as (
    select case $9::text
            when 'day' then to_char(local.t, 'YYYY-MM-DD')
            when 'week' then to_char(local.t, 'IYYY"-W"IW')
            when 'month' then to_char(local.t, 'YYYY-MM')
            else $3
        end as name,
        (date_trunc($9, local.t) + ('1 ' || $9)::interval) at time zone $10 as ends_at
    from (select openbell.now() at time zone $10 as t) local
)
insert into openbell.account as a (subject, resource, period, closes, span, grain, granted, floors, ends_at, credential, key_of,
    blocked_until, blocked_code, blocked_reason)
select $1, $2, period.name, $4::text::openbell.closing, $5, $6, $7, $8, period.ends_at, $11, $12,
    paused.blocked_until, paused.blocked_code, paused.blocked_reason
from period
left join lateral (
    select o.blocked_until, o.blocked_code, o.blocked_reason from openbell.account o
    where o.subject = $1 and o.resource = $2 and o.blocked_code = 'restored' and o.blocked_until > (select openbell.now())
    order by o.id desc limit 1
) paused on true
on conflict (subject, resource, period) do update
set granted = greatest(excluded.granted + a.extra, a.held + a.spent), span = excluded.span, grain = excluded.grain, floors = excluded.floors,
    credential = excluded.credential, key_of = excluded.key_of,
    lowered_to = case when excluded.granted + a.extra < a.held + a.spent then excluded.granted + a.extra end
returning id, period
