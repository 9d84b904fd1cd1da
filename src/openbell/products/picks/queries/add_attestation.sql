with said as (
    insert into openbell.picks_attestation (name, given, words) values ($1, $2, $3) returning name, given, words, at
), noted as (
    insert into openbell.audit (actor, action, target, after)
    select $4, case when $2 then 'picks.attest' else 'picks.withdraw' end, said.name, to_jsonb(said) from said
)
select * from said
