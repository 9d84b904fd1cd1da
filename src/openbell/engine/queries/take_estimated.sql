-- The mark of the estimator, for the one process that has it; it also lets that transaction find spends by the time they ended,
-- which workers' sessions would do along another index.
select m.ended_at, m.spend_id, set_config('enable_bitmapscan', 'on', true) as bitmap, set_config('enable_sort', 'on', true) as sort
from openbell.estimated m for update skip locked
