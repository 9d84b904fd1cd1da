-- What holds already is left alone, so that a form that is sent twice leaves one row.
insert into openbell.consent (person_id, kind, version, given, source, at)
select $1, k.kind, $3, $4, $5, (select openbell.now())
from unnest($2::text[]) as k (kind)
where (
    select (c.given, case when c.given then c.version else $3 end) from openbell.consent c
    where c.person_id = $1 and c.kind = k.kind order by c.id desc limit 1
) is distinct from ($4::boolean, $3::text)
