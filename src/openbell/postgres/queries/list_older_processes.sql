-- Who runs and does not know migration $1. A worker that says nothing is older than the file that made it say so.
select 'worker' as kind, w.name, w.knows from openbell.worker w
where not w.gone and w.expires_at > openbell.now() and coalesce(w.knows, 0) < $1
union all
select 'web', p.name, p.knows from openbell.web_process p
where p.expires_at > openbell.now() and p.knows < $1
order by 1, 2
