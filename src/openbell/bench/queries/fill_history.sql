-- $2 ended jobs of one day, $1 days ago, in the order in which they would have come: of nine kinds of work on 5,000 keys, one in 100,000 ad hoc, one in 64 of
-- them failed, one in 200,000 expired, and one in 500,000 with an error that is as rare.
insert into openbell.job_history (id, product, key, job_class, outcome, attempts, queued_at, started_at, finished_at, worker, cost_micro, version, code, message)
select (30 - $1) * $2 + n, 'kind-' || n % 9, 'key-' || n * 7919 % 5000, case when n % 100000 = 9 then 50 else (array[0, 10, 30, 90])[1 + n % 4] end,
    case when n % 200000 = 77 then 'expired' when n % 64 = 5 then 'failed' when n % 12 = 3 then 'unchanged' else 'done' end::openbell.job_outcome,
    1, t.at - interval '1 second', t.at - interval '20 ms', t.at, n % 7, n % 3 * 100, case when n % 64 <> 5 then 1 end,
    case when n % 500000 = 5 then 'odd_answer' when n % 200000 = 77 then 'expired' when n % 64 = 5 then 'bad_answer' end,
    case when n % 64 = 5 then 'the answer was not what was asked for' end
from generate_series(1, $2::bigint) as n,
    lateral (select date_trunc('day', openbell.now(), 'UTC') - $1 * interval '1 day' + n * interval '1 day' / ($2::bigint + 1) as at) t
