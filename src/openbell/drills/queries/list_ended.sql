-- What has been refreshed on demand since the drill looked last.
select h.id, h.product, h.key from openbell.job_history h
join openbell.product p on p.name = h.product and p.kind = 'artifact'
where h.id > $1 and (not $2 or h.job_class = 0) order by h.id
