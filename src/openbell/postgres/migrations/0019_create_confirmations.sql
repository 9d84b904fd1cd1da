-- phase: expand
--
-- Plans that wait for a yes: what somebody was shown, and the single use of saying so.
--
--   token      SHA-256 of what was given out
--   plan       SHA-256 of action, arguments and plan; what has changed since must be shown again
--   used_at    when it was carried out, in the same transaction
create table openbell.confirmation (
    token      bytea       primary key check (octet_length(token) = 32),
    actor      text        not null,
    action     text        not null,
    plan       bytea       not null check (octet_length(plan) = 32),
    made_at    timestamptz not null default openbell.now(),
    expires_at timestamptz not null,
    used_at    timestamptz,
    check (expires_at > made_at)
);
