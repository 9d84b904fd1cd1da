-- The job that was queued last; later ones are not among those that a plan has counted.
select coalesce(max(j.id), 0) as id from openbell.job j
