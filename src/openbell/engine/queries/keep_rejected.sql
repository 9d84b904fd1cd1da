-- The answers of an attempt that did not pass: $1 job, $2 token, $3 code, $4 message, $5 faults, $6 answers.
-- Nothing for an attempt that is no longer ours, and no more than $7 a day of one product.
insert into openbell.rejected (job_id, attempt, product, key, rejected_at, code, message, faults, provider, operation, bytes, body)
select j.id, j.attempt, j.product, j.key, openbell.now(), $3, $4, $5, a.provider, a.operation, a.bytes, a.body
from openbell.job j
left join jsonb_to_recordset($6) as a (provider text, operation text, bytes bigint, body text) on true
where j.id = $1 and j.token = $2
    and (select count(*) from openbell.rejected r where r.product = j.product and r.rejected_at > openbell.now() - interval '1 day') < $7
