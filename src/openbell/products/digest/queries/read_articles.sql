-- Articles as they can be read now; one that is the same as another, as that. What could not be read is left alone for 6 hours.
select a.id, r.id as real_id, r.address, r.reading, r.text_ref, r.paywalled, r.failure, r.synthetic,
    r.google_id is not null and not exists (
        select from openbell.digest_link l where l.google_id = r.google_id and l.target is not null
    ) as unresolved,
    r.reading is null or (r.reading = 'failed' and r.read_at <= (select openbell.now()) - interval '6 hours') as is_open
from openbell.digest_article a
join openbell.digest_article r on r.id = coalesce(a.same_as, a.id)
where a.id = any ($1::bigint[])
order by a.id
