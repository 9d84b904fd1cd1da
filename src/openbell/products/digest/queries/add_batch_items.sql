insert into openbell.digest_batch_item (batch_id, place, key, job_id, created)
select $1, u.place, u.key, u.job_id, u.created
from unnest($2::text[], $3::bigint[], $4::boolean[]) with ordinality u (key, job_id, created, place)
