-- phase: expand
--
-- What digests are made from: reference data, feeds, articles, filings, texts, and the inputs that a digest has pinned.
--
-- Feeds and articles are shared between tickers and know of none; what a ticker has to do with one stands in the relation
-- (digest_ticker_feed, digest_verdict). Reference data changes by imports alone.
create table openbell.digest_ticker (
    ticker      text        primary key check (ticker ~ '^[A-Z0-9][A-Z0-9.-]{0,14}$'),
    name        text        not null check (length(name) between 1 and 200),
    cik         bigint      check (cik > 0),
    aliases     text[]      not null default '{}' check (cardinality(aliases) <= 10),
    industry    text[]      not null default '{}' check (cardinality(industry) <= 3),
    source      text        not null,
    imported_at timestamptz not null default openbell.now()
);

-- A company beside the ticker, at most three competitors and two up- and downstream each.
create table openbell.digest_neighbour (
    ticker   text     not null references openbell.digest_ticker (ticker) on delete cascade,
    relation text     not null check (relation in ('competitor', 'upstream', 'downstream')),
    place    smallint not null check (place between 1 and 3),
    name     text     not null check (length(name) between 1 and 200),
    symbol   text,
    primary key (ticker, relation, place)
);

-- kind    google and yahoo are asked for `subject`, rss has an address of its own
-- policy  what makes two entries of the feed the same: its guid, its link as it stands, or its canonical address
create table openbell.digest_feed (
    id          bigint      generated always as identity primary key,
    kind        text        not null check (kind in ('google', 'yahoo', 'rss')),
    subject     text        not null check (length(subject) between 1 and 1000),
    policy      text        not null default 'guid' check (policy in ('guid', 'link', 'canonical')),
    moved_to    text,
    etag        text,
    modified    text,
    polled_at   timestamptz,
    succeeded_at timestamptz,
    entries     integer     not null default 0,
    polls       bigint      not null default 0,
    failures    bigint      not null default 0,
    in_a_row    integer     not null default 0,
    code        text,
    message     text,
    not_before  timestamptz,
    unique (kind, subject)
);

create table openbell.digest_ticker_feed (
    ticker    text     not null references openbell.digest_ticker (ticker) on delete cascade,
    feed_id   bigint   not null references openbell.digest_feed (id) on delete cascade,
    category  text     not null check (category in ('company', 'industry', 'competitor', 'value_chain')),
    direction text     check (direction in ('upstream', 'downstream')),
    subject   text     not null,
    primary key (ticker, feed_id),
    check ((category = 'value_chain') = (direction is not null))
);
create index digest_ticker_feed_feed on openbell.digest_ticker_feed (feed_id);

create table openbell.digest_text (
    ref     text        primary key,
    body    text        not null,
    kept_at timestamptz not null default openbell.now()
);

-- An article, once, whoever links to it. `address` is canonical where it is known, else what the feed gave; an article that
-- turns out to be another one points to it (`same_as`) and is looked at no more.
--   reading  what came of reading it: null when nobody has tried
create table openbell.digest_article (
    id           bigint      generated always as identity primary key,
    address      text        not null,
    google_id    text,
    title        text        not null,
    title_key    text        not null,
    publisher    text        not null,
    domain       text,
    summary      text        not null default '',
    published_at timestamptz,
    seen_at      timestamptz not null default openbell.now(),
    spam         text,
    same_as      bigint      references openbell.digest_article (id),
    reading      text        check (reading in ('free', 'paid', 'failed')),
    read_at      timestamptz,
    text_ref     text,
    paywalled    boolean     not null default false,
    failure      text,
    synthetic    text,
    check (reading is null or (reading = 'failed') = (text_ref is null))
);
create unique index digest_article_address on openbell.digest_article (md5(address));
create index digest_article_title on openbell.digest_article (publisher, title_key);
create index digest_article_seen on openbell.digest_article (seen_at);
create index digest_article_same_as on openbell.digest_article (same_as) where same_as is not null;

-- Under which identity a feed has shown an article.
create table openbell.digest_sighting (
    feed_id    bigint      not null references openbell.digest_feed (id) on delete cascade,
    identity   text        not null,
    article_id bigint      not null references openbell.digest_article (id) on delete cascade,
    seen_at    timestamptz not null default openbell.now(),
    primary key (feed_id, identity)
);
create index digest_sighting_article on openbell.digest_sighting (article_id, feed_id);

-- Where an aggregator's link leads, or why nobody knows; failures are kept for a shorter time.
create table openbell.digest_link (
    google_id  text        primary key,
    target     text,
    reason     text,
    keep_until timestamptz not null,
    check ((target is null) = (reason is not null))
);

-- How many pages were paid for on a day of the zone: the row is what keeps the cap of the day.
create table openbell.digest_paid (
    day  date    primary key,
    used integer not null check (used >= 0)
);

-- A domain's pages: how often they could be read, free and paid.
create table openbell.digest_domain (
    domain    text   primary key,
    free_ok   bigint not null default 0,
    free_bad  bigint not null default 0,
    paid_ok   bigint not null default 0,
    paid_bad  bigint not null default 0,
    last_code text
);

-- state  baseline: it was there when the ticker was first looked at, and is no news; new: found by a check; done: in a digest
create table openbell.digest_filing (
    ticker    text        not null,
    accession text        not null,
    form      text        not null,
    period    date,
    filed     date        not null,
    title     text        not null,
    address   text        not null,
    items     text[]      not null default '{}',
    state     text        not null check (state in ('baseline', 'new', 'done')),
    text_ref  text,
    failure   text,
    synthetic text,
    found_at  timestamptz not null default openbell.now(),
    primary key (ticker, accession, form)
);

-- The inputs of a digest. A revision begins with its selection and is complete with its inputs; neither changes after.
--   reason  what the revision is for: first, topup, renew
create table openbell.digest_pin (
    ticker     text        not null,
    edition    text        not null check (edition in ('daily', 'weekly')),
    day        date        not null,
    revision   integer     not null check (revision >= 1),
    reason     text        not null check (reason in ('first', 'topup', 'renew')),
    selection  jsonb,
    inputs     jsonb,
    created_at timestamptz not null default openbell.now(),
    primary key (ticker, edition, day, revision),
    check (inputs is null or selection is not null)
);

-- What became of an article that stood for a digest: exactly one outcome, and why (DG-11).
create table openbell.digest_verdict (
    ticker     text    not null,
    edition    text    not null,
    day        date    not null,
    revision   integer not null,
    article_id bigint  not null references openbell.digest_article (id) on delete cascade,
    category   text    not null,
    direction  text,
    subject    text    not null,
    scores     jsonb   not null default '{}',
    outcome    text    not null check (outcome in ('used', 'filtered', 'low_relevance', 'duplicate', 'unreachable', 'model_error')),
    reason     text    not null default '',
    primary key (ticker, edition, day, revision, article_id)
);
create index digest_verdict_article on openbell.digest_verdict (article_id);

-- How digests are made here: one row, set by an operator (`openbell digest policy`), audited.
create table openbell.digest_policy (
    single        boolean primary key default true check (single),
    zone          text    not null default 'America/New_York',
    pages_per_job integer not null default 10 check (pages_per_job >= 0),
    pages_per_day integer not null default 200 check (pages_per_day >= 0),
    quiet         text    not null default 'short' check (quiet in ('short', 'none')),
    topup         boolean not null default false,
    approval      text    not null default 'auto' check (approval in ('auto', 'manual')),
    changed_at    timestamptz not null default openbell.now()
);
insert into openbell.digest_policy default values;

-- A digest that is due: it is to be mailed at send_at, and told of when it will be late.
--   mailed_version  of the digest, once its mails are queued; quiet: there is none to mail
create table openbell.digest_edition (
    ticker         text        not null,
    edition        text        not null check (edition in ('daily', 'weekly')),
    day            date        not null,
    due_at         timestamptz not null,
    send_at        timestamptz not null,
    mailed_version integer,
    mailed_at      timestamptz,
    quiet          boolean     not null default false,
    alerted_at     timestamptz,
    primary key (ticker, edition, day)
);
create index digest_edition_day on openbell.digest_edition (day);

-- Digests that were submitted together (POST /jobs/submit). An item's job is one that was queued for it or that it has joined;
-- none where its digest was fresh.
create table openbell.digest_batch (
    id           bigint      generated always as identity primary key,
    actor        text        not null,
    report_type  text        not null check (report_type in ('daily', 'weekly')),
    mode         text        not null check (mode in ('test', 'production')),
    created_at   timestamptz not null default openbell.now(),
    cancelled_at timestamptz
);
create table openbell.digest_batch_item (
    batch_id bigint   not null references openbell.digest_batch (id) on delete cascade,
    place    integer  not null,
    key      text     not null,
    job_id   bigint,
    created  boolean  not null,
    primary key (batch_id, place)
);
create index digest_batch_item_job on openbell.digest_batch_item (job_id);
