-- How many digests are stored, and how many jobs are left.
select (select count(*) from openbell.artifact a where a.product = 'digest' and a.version > 0) as made,
    (select count(*) from openbell.job) as jobs
