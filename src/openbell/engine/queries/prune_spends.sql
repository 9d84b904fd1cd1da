-- Calls that have ended: free ones for as long as the longest window, those that cost something for a year and more. What is
-- unknown and matters stays until somebody has resolved it.
delete from openbell.spend
where id in (
    select s.id from openbell.spend s
    where s.ended_at < (select openbell.now()) - case when s.cost_micro = 0 then interval '35 days' else interval '400 days' end
        and (s.state <> 'unknown' or s.effect = 'repeat' and not exists (select 1 from openbell.hold h where h.spend_id = s.id))
    order by s.id limit 5000
)
