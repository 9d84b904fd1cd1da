-- Calls that have ended: free ones for as long as the longest window, those that cost something for a year and more. What is
-- unknown stays until somebody has resolved it.
delete from openbell.spend
where id in (
    select s.id from openbell.spend s
    where s.ended_at < openbell.now() - case when s.cost_micro = 0 then interval '35 days' else interval '400 days' end
        and s.state <> 'unknown'
    order by s.id limit 5000
)
