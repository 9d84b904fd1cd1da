-- Every call for a digest that was made, in the order of their beginnings.
select k.key, s.provider, s.tried_at from openbell.spend s
join openbell.job_history k on k.id = s.job_id
where k.product = 'digest' and s.state <> 'released' and s.ended_at is not null order by s.tried_at
