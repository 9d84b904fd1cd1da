-- What has been refreshed on demand from $1 on, not by a schedule or list. What was queued and then not needed is no refresh.
select h.id, h.product, h.key from openbell.job_history h
join openbell.product p on p.name = h.product and p.kind = 'artifact'
where h.finished_at >= $1 and h.started_at is not null and h.code is distinct from 'skipped' and h.job_class = 0
order by h.id
