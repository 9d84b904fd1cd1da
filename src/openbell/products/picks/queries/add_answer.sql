-- What came, as it came. The first of a number stays.
insert into openbell.picks_answer
    (edition, number, provider, model, effort, prompt, ref, answer, failure, cost_micro, input_tokens, output_tokens, asked_at)
select s.edition, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, coalesce($13, s.queued_at)
from openbell.picks_slot s where s.edition = $1
on conflict do nothing
