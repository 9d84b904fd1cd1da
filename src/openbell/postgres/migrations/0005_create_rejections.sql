-- phase: expand
--
-- Answers of providers that were read and did not pass, for whoever must find out what has changed.

-- One row an answer; one row without an answer where none was in hand.
--   code    the client's own word for it; the attempt ended with `invalid_answer`
--   faults  where the answer is wrong, and the value that was there
--   bytes   of the whole answer; `body` is its beginning
create table openbell.rejected (
    id          bigint      generated always as identity primary key,
    job_id      bigint      not null,
    attempt     integer     not null,
    product     text        not null,
    key         text        not null,
    rejected_at timestamptz not null,
    code        text        not null,
    message     text        not null,
    faults      jsonb       not null,
    provider    text,
    operation   text,
    bytes       bigint,
    body        text
);

-- Both small: a product keeps a few answers a day.
-- squawk-ignore require-concurrent-index-creation
create index rejected_of_job on openbell.rejected (job_id);
-- squawk-ignore require-concurrent-index-creation
create index rejected_lately on openbell.rejected (product, rejected_at);
