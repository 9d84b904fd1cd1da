-- The first answer to a question stays.
insert into openbell.answer (input_hash, phase, provider, model, prompt, prompt_hash, value, cost_micro, input_tokens, output_tokens)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (input_hash) do nothing
