-- Whether there is an edition of figures, the job that an operator has asked for if it is under way, and why the last one came to
-- nothing: it is found by its number, as the history has no index by key.
select exists (select 1 from openbell.picks_edition e where e.edition = $1) as is_there, j.id as job_id,
    coalesce(j.progress, j.reason) as said,
    case when j.id is null then (
        select h.message from openbell.job_history h
        where h.outcome = 'failed' and h.id = (
            select (a.after ->> 'job')::bigint from (select * from openbell.audit order by id desc limit 1000) a
            where a.action = 'picks.starter' order by a.id desc limit 1)
        limit 1) end as failed
from (select) one
left join openbell.job j on j.product = $2 and j.key = 'GLOBAL'
