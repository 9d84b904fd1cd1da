-- Only under the token of the attempt; the first result of a step stays.
insert into openbell.step (job_id, name, token, value)
select j.id, $3, j.token, $4::jsonb from openbell.job j
where j.id = $1 and j.token = $2 and j.cancelled_by is null
for update of j
on conflict (job_id, name) do nothing
returning true
