-- phase: expand
--
-- The people we serve, what they agreed to, and every mail to them.
--
--   person ──▶ consent, follow, link ──▶ visit, api_token
--      └─────▶ delivery ◀── letter         (one delivery: one letter to one recipient, sent at most once)
--   suppression   addresses that refuse mail; only their hash is kept

-- One row a human being. `address` is normalised, so that it is one identity; null once the person is erased.
--   state         pending (nobody has answered from the address, or an operator has not approved) │ active │ paused │ blocked │ left
--   confirmed_at  when somebody who reads the mail of this address said so; until then nothing but that question is sent
--   approved_at   when an operator let them in; asked for only where sign-up is set to 'approve'
--   mail_token    stands in the links of their mails: personal, not to be guessed, ends with the person
create table openbell.person (
    id           bigint      generated always as identity primary key,
    address      text        unique check (address = lower(address) and address ~ '^[^@\s]+@[^@\s]+$'),
    name         text        not null default '' check (length(name) <= 200),
    role         text        not null default 'subscriber' check (role in ('subscriber', 'admin')),
    state        text        not null default 'pending' check (state in ('pending', 'active', 'paused', 'blocked', 'left')),
    zone         text        not null default 'America/New_York',
    plan         text        not null default 'free' check (plan in ('free', 'premium', 'professional')),
    created_at   timestamptz not null default openbell.now(),
    state_at     timestamptz not null default openbell.now(),
    confirmed_at timestamptz,
    approved_at  timestamptz,
    erased_at    timestamptz,
    mail_token   text        unique default replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''),
    check ((address is null) = (erased_at is not null)),
    check (state <> 'active' or confirmed_at is not null)
);

-- What somebody agreed to or withdrew, in which version of the text, when and where. The latest row of a kind holds.
--   kind  terms │ privacy │ mail │ mail:LIST (one list, such as mail:digest; without a row `mail` decides)
create table openbell.consent (
    id        bigint      generated always as identity primary key,
    person_id bigint      not null references openbell.person (id),
    kind      text        not null check (kind ~ '^[a-z][a-z:-]{0,62}$'),
    version   text        not null,
    given     boolean     not null,
    at        timestamptz not null default openbell.now(),
    source    text        not null
);
-- squawk-ignore require-concurrent-index-creation
create index consent_latest on openbell.consent (person_id, kind, id desc);

-- The tickers that somebody's digests are about: one list a person.
create table openbell.follow (
    person_id bigint      not null references openbell.person (id),
    ticker    text        not null,
    since     timestamptz not null default openbell.now(),
    primary key (person_id, ticker)
);
-- squawk-ignore require-concurrent-index-creation
create index follow_ticker on openbell.follow (ticker);

-- A link that was sent by mail, or printed for an operator: works once. Only the hash of its token is kept.
create table openbell.link (
    hash       bytea       primary key,
    person_id  bigint      not null references openbell.person (id),
    purpose    text        not null check (purpose in ('sign-in', 'confirm')),
    created_at timestamptz not null default openbell.now(),
    expires_at timestamptz not null,
    used_at    timestamptz
);
-- squawk-ignore require-concurrent-index-creation
create index link_person on openbell.link (person_id, purpose, created_at);

create table openbell.visit (
    hash       bytea       primary key,
    person_id  bigint      not null references openbell.person (id),
    created_at timestamptz not null default openbell.now(),
    expires_at timestamptz not null
);
-- squawk-ignore require-concurrent-index-creation
create index visit_person on openbell.visit (person_id);

-- Keys for programs of a person. `hint` is the end of the token, by which its owner knows it again.
create table openbell.api_token (
    id         bigint      generated always as identity primary key,
    hash       bytea       not null unique,
    person_id  bigint      not null references openbell.person (id),
    name       text        not null check (length(name) between 1 and 60),
    hint       text        not null,
    scope      text        not null check (scope in ('person', 'operator')),
    created_at timestamptz not null default openbell.now(),
    used_at    timestamptz,
    revoked_at timestamptz
);
-- squawk-ignore require-concurrent-index-creation
create index api_token_person on openbell.api_token (person_id);

-- Who asked for a mail to be sent to somebody, as a hash, so that nobody is flooded; kept for a day.
create table openbell.knock (
    id  bigint      generated always as identity primary key,
    who bytea       not null,
    at  timestamptz not null default openbell.now()
);
-- squawk-ignore require-concurrent-index-creation
create index knock_who on openbell.knock (who, at);

-- Addresses that nothing is sent to, because their server said so or they bounced. Only the SHA-256 of the normalised
-- address is kept, so that erasing a person leaves nothing of theirs here.
create table openbell.suppression (
    hash   bytea       primary key,
    domain text        not null,
    reason text        not null check (reason in ('refused', 'bounced', 'complained', 'asked')),
    detail text        not null default '',
    at     timestamptz not null default openbell.now()
);

-- What a mail says, once for all who get the same. Where it says %%UNSUBSCRIBE%%, each recipient gets a link of their own.
--   images  by content id: {"type": "image/png", "data": base64}
create table openbell.letter (
    hash       bytea       primary key,
    subject    text        not null,
    html       text        not null,
    body       text        not null,
    images     jsonb       not null default '{}',
    created_at timestamptz not null default openbell.now()
);

-- One letter to one recipient.
--   artifact    what it tells: `product key`, or a reference of its own where there is no artifact
--   version     of the artifact; a newer one replaces what waits, and is not sent where an older one was
--   list        which unsubscribing ends it; null for what belongs to the service itself, such as a sign-in link
--   ticker      sent only while the recipient follows it
--   address     of somebody who is no person here; else the person's, looked up when it is sent
--   state       ready │ held │ sent │ skipped (the recipient is not to get it any more) │ cancelled │ expired │ failed
--               unknown (it may have left; nobody sends it again, an operator looks)
--   was         the state before it was cancelled, for undoing that
--   note        why it is in this state
create table openbell.delivery (
    id         bigint      generated always as identity primary key,
    kind       text        not null,
    artifact   text        not null,
    version    integer     not null default 0,
    person_id  bigint      references openbell.person (id),
    address    text        check (address = lower(address)),
    list       text,
    ticker     text,
    letter     bytea       references openbell.letter (hash),
    message_id text        not null unique,
    send_at    timestamptz not null,
    expires_at timestamptz not null check (expires_at > send_at),
    state      text        not null check (state in ('ready', 'held', 'sent', 'skipped', 'cancelled', 'expired', 'failed', 'unknown')),
    was        text,
    note       text        not null default '',
    created_at timestamptz not null default openbell.now(),
    state_at   timestamptz not null default openbell.now(),
    sent_to    text,
    queue_id   text,
    check (person_id is not null or address is not null or state not in ('ready', 'held'))
);
-- squawk-ignore require-concurrent-index-creation
create unique index delivery_once on openbell.delivery (artifact, version, kind, coalesce(person_id, 0), coalesce(address, ''));
-- squawk-ignore require-concurrent-index-creation
create index delivery_due on openbell.delivery (send_at) where state in ('ready', 'held');
-- squawk-ignore require-concurrent-index-creation
create index delivery_person on openbell.delivery (person_id);
-- squawk-ignore require-concurrent-index-creation
create index delivery_kind on openbell.delivery (kind, state, send_at);
-- squawk-ignore require-concurrent-index-creation
create index delivery_letter on openbell.delivery (letter);

-- The credit that an ad-hoc request holds, until its job has ended: posted when it brought something, given back when not.
create table openbell.credit (
    spend_id  bigint      primary key,
    person_id bigint      not null references openbell.person (id),
    product   text        not null,
    key       text        not null,
    job_id    bigint      not null,
    at        timestamptz not null default openbell.now()
);
-- squawk-ignore require-concurrent-index-creation
create index credit_person on openbell.credit (person_id, at);
