-- $7 is the domain, $8 the way it was tried: free or paid. A text that is there is never replaced by a failure.
with noted as (
    update openbell.digest_article a
    set reading = $2, text_ref = $3, paywalled = $4, failure = $5, synthetic = coalesce($6, a.synthetic),
        read_at = (select openbell.now())
    where a.id = $1 and ($2 <> 'failed' or a.text_ref is null) and a.text_ref is distinct from coalesce($3, '')
    returning a.id
), counted as (
    insert into openbell.digest_domain as d (domain, free_ok, free_bad, paid_ok, paid_bad, last_code)
    select $7::text,
        ($8::text = 'free' and $5::text is null)::int, ($8 = 'free' and $5 is not null)::int,
        ($8 = 'paid' and $5 is null)::int, ($8 = 'paid' and $5 is not null)::int, $5
    from noted
    where $7::text is not null
    on conflict (domain) do update
    set free_ok = d.free_ok + excluded.free_ok, free_bad = d.free_bad + excluded.free_bad,
        paid_ok = d.paid_ok + excluded.paid_ok, paid_bad = d.paid_bad + excluded.paid_bad,
        last_code = excluded.last_code
    returning d.domain
)
select count(*) from noted left join counted on true
