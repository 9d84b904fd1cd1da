-- Comparisons there are, work that was done twice, and how often a page was asked for at most. A job that finds its key
-- fresh at its claim has made nothing, and has no version.
select
    (select count(*) from openbell.artifact where product = 'comparison' and version > 0) as pairs_made,
    (select count(*) - count(distinct (product, key)) from openbell.job_history
        where product in ('comparison', 'forecast', 'interest', 'entity') and version is not null) as made_twice,
    (select max(n) from (select count(*) as n from openbell.spend where product = 'interest' group by key) calls) as calls_per_page,
    (select count(*) from openbell.spend where product in ('interest', 'entity')) as calls
