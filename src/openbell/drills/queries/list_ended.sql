-- What has been refreshed on demand from $1 on. What was queued and then not needed is no refresh; and what a schedule or a list
-- wanted too was not refreshed for a viewer alone.
select h.id, h.product, h.key from openbell.job_history h
join openbell.product p on p.name = h.product and p.kind = 'artifact'
where h.finished_at >= $1 and h.started_at is not null and h.code is distinct from 'skipped' and h.job_class = 0
    and not exists (
        select 1 from openbell.demand d
        where d.product = h.product and d.key = h.key and d.job_class > 0 and d.expires_at > h.finished_at)
order by h.id
