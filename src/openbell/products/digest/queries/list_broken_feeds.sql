-- Feeds that have failed so often in a row, or more often, and that nobody was told of.
select id, kind, subject, in_a_row, code, polls, failures, succeeded_at
from openbell.digest_feed
where in_a_row >= $1 and told_at is null
order by id
