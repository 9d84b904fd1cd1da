-- A worker that is in the middle of a digest: it holds it, and a call for it is under way or has been made.
select w.name from openbell.worker w join openbell.job j on j.worker = w.id
where not w.gone and j.token is not null and j.product = 'digest'
    and exists (select from openbell.spend s where s.token = j.token)
group by w.name order by count(*) desc, w.name limit 1
