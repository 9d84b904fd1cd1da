-- What should go on and has no job left has failed: its worker died too often, or somebody cancelled it. Says so, once.
with lost as (
    select s.edition, s.job_id from openbell.picks_slot s
    where s.status not in ('complete', 'error') and s.queued_at < openbell.now() - interval '1 minute'
        and not exists (select 1 from openbell.job j where j.product = 'picks-edition' and j.key = s.edition)
        and not exists (select 1 from openbell.job j where j.product = 'picks-batch' and j.key = s.week || '|' || s.batch)
    order by s.edition limit 1000 for update skip locked
)
update openbell.picks_slot s
set status = 'error', code = coalesce(s.code, 'lost'), status_at = openbell.now(),
    message = coalesce(s.message, (select h.message from openbell.job_history h where h.id = lost.job_id limit 1), 'its job has ended without a word')
from lost where s.edition = lost.edition
returning s.edition, s.code, s.message
