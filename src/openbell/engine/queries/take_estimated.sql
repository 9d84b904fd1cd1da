-- The mark of the estimator, for the one process that has it, and how far it may read: not to what may not be committed yet ($1),
-- and no further than a while, so that a long way is gone in steps. It also lets that transaction find spends by the time they
-- ended, which workers' sessions would do along another index.
select m.ended_at, m.spend_id, least(openbell.now() - $1::interval, m.ended_at + interval '10 minutes') as until,
    m.ended_at + interval '10 minutes' < openbell.now() - $1::interval as has_more,
    set_config('enable_bitmapscan', 'on', true) as bitmap, set_config('enable_sort', 'on', true) as sort
from openbell.estimated m for update skip locked
