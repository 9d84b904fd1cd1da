update openbell.picks_slot s set job_id = u.job_id
from unnest($1::text[], $2::bigint[]) as u (edition, job_id)
where s.edition = u.edition
