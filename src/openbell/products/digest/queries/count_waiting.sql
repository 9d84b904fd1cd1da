-- Digests that wait or run, and how many of them may still be added to.
select count(*) filter (where j.token is null) as waiting, count(*) filter (where j.token is not null) as running
from openbell.job j
where j.product = 'digest'
