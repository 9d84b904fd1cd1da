-- Texts that nothing refers to any more.
delete from openbell.digest_text t
where t.ref in (
    select x.ref from openbell.digest_text x
    where x.kept_at < (select openbell.now()) - interval '1 day'
      and not exists (select from openbell.digest_article a where a.text_ref = x.ref)
      and not exists (select from openbell.digest_filing f where f.text_ref = x.ref)
    limit $1
)
