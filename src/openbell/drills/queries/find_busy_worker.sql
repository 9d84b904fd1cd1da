-- A worker that is in the middle of a digest.
select w.name from openbell.worker w join openbell.job j on j.worker = w.id
where not w.gone and j.product = 'digest' group by w.name order by count(*) desc, w.name limit 1
