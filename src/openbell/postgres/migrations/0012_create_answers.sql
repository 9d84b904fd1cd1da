-- phase: expand
--
-- What models have answered, by the hash of all that they were asked: the same question is paid for once, whichever job
-- asks it. And what a reviewer has found in a digest, sentence by sentence.
create table openbell.answer (
    input_hash    text        primary key check (input_hash ~ '^[0-9a-f]{64}$'),
    phase         text        not null,
    provider      text        not null,
    model         text        not null,
    prompt        text        not null,
    prompt_hash   text        not null,
    value         jsonb       not null,
    cost_micro    bigint,
    input_tokens  bigint      not null,
    output_tokens bigint      not null,
    made_at       timestamptz not null default openbell.now()
);
comment on column openbell.answer.prompt is 'name@version of the file that it was asked with';
comment on column openbell.answer.cost_micro is 'micro-dollars; null where nobody has a price of the model';
create index answer_made_at on openbell.answer (made_at);

create table openbell.review (
    key        text        not null,
    version    bigint      not null,
    judge      text        not null,
    verdict    text        not null check (verdict in ('pass', 'hold')),
    findings   jsonb       not null,
    sentences  integer     not null check (sentences >= 0),
    cost_micro bigint,
    made_at    timestamptz not null default openbell.now(),
    primary key (key, version)
);
comment on table openbell.review is 'of a digest (its key and version): whether its mail may go, and what is wrong in it';
comment on column openbell.review.judge is 'provider:model that has checked it, or the word "rules"';
