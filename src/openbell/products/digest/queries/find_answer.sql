-- What was answered to exactly this before.
select value, cost_micro, input_tokens, output_tokens, model from openbell.answer where input_hash = $1
