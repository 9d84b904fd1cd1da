-- Calls whose outcome nobody knows. Free reads that were cut off need nobody: they have been made again, and hold no money.
-- `asked` are those whose job is live and will ask the provider.
with doubt as (
    select s.id, s.ended_at, exists (select 1 from openbell.job j where j.id = s.job_id) and s.effect in ('resend', 'lookup') as asked,
        s.effect <> 'repeat' or exists (select 1 from openbell.hold h where h.spend_id = s.id and h.amount > 0) as matters
    from openbell.spend s where s.state = 'unknown'
)
select count(*) filter (where d.matters) as calls, count(*) filter (where d.matters and d.asked) as asked,
    count(*) filter (where not d.matters) as repeats, min(d.ended_at) filter (where d.matters) as oldest,
    coalesce((
        select jsonb_object_agg(m.resource, m.amount) from (
            select a.resource, sum(h.amount) as amount
            from doubt join openbell.hold h on h.spend_id = doubt.id join openbell.account a on a.id = h.account_id
            where h.amount > 0 group by a.resource) m
    ), '{}') as held
from doubt d
