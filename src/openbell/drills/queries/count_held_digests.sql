-- The digests that a worker holds.
select count(*) from openbell.worker w join openbell.job j on j.worker = w.id
where w.name = $1 and j.token is not null and j.product = 'digest'
