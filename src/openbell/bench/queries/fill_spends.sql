-- $1 calls over the last 30 days, one in 20,000 of them in doubt.
insert into openbell.spend (job_id, product, key, provider, operation, effect, state, intended_at, tried_at, ended_at, timeout, held, took, cost_micro, outcome)
select -n, 'kind-' || n % 9, 'key-' || n * 7919 % 5000, 'provider-' || n % 5, 'ask', 'never',
    case when n % 20000 = 9 then 'unknown' else 'settled' end::openbell.spend_state, t.at, t.at, t.at + interval '1 second', '10 s',
    '{"calls": 1, "usd_micro": 500}', '{"calls": 1, "usd_micro": 300}', 300, case when n % 20000 = 9 then 'cut off' else 'ok' end
from generate_series(1, $1::bigint) as n, lateral (select openbell.now() - interval '30 days' * (1 - n / ($1::float + 1)) as at) t
