-- Articles that we have, of these days, whose title names the term as a word: no letter or digit stands right before or
-- after it. The plain search comes first, so that the pattern is tried on few titles; signs of the term mean themselves.
with term as materialized (
    select lower($1::text) as plain,
        '(?<![[:alnum:]])' || regexp_replace($1::text, '([^[:alnum:][:space:]])', '\\\1', 'g') || '(?![[:alnum:]])' as word
)
select a.title, a.publisher, a.address, a.published_at::date as day
from openbell.digest_article a cross join term
where a.published_at >= $2::date and a.published_at < $3::date and a.spam is null and a.same_as is null
    and case when position(term.plain in lower(a.title)) > 0 then a.title ~* term.word else false end
order by a.published_at, a.id limit $4
