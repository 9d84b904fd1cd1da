-- $1 mails over the last 30 days to 2,000 addresses, one in 10,000 of them failed and as many held.
insert into openbell.delivery (kind, artifact, version, address, message_id, send_at, expires_at, state, note, created_at, state_at)
select 'digest', 'digest edition-' || n / 500, 1, 'reader-' || n % 2000 || '@example.test', 'filled-' || n, t.at, t.at + interval '1 day',
    case when n % 10000 = 3 then 'failed' when n % 10000 = 4 and n > $1 - 200000 then 'held' else 'sent' end,
    case when n % 10000 = 3 then 'the server of the recipient refused it' else '' end, t.at, t.at
from generate_series(1, $1::bigint) as n, lateral (select openbell.now() - interval '30 days' * (1 - n / ($1::float + 1)) as at) t
