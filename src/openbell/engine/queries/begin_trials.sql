-- A trial for each challenger of $1 whose flag is in shadow for the key $2. Not where one is under way or has failed just now,
-- nor where today's budget is used up or a window of the provider is four fifths full: the rest is for readers.
insert into openbell.job (product, key, args, job_class, max_attempts, queued_at)
select p.name, $2, $3::jsonb, $4, p.max_attempts, openbell.now()
from openbell.product p
join openbell.flag f on f.name = p.name
where p.name = any ($1::text[]) and p.enabled and openbell.is_shadowed(f, $2)
    and not exists (select 1 from openbell.cooldown c where c.product = p.name and c.key = $2 and c.retry_at > (select openbell.now()))
    and not exists (
        select 1 from openbell.account a
        where a.subject = 'shadow:' || p.name and a.resource = 'calls' and a.ends_at > (select openbell.now())
            and a.held + a.spent + a.overrun >= least(a.granted, a.lowered_to))
    and not exists (
        select 1 from openbell.account a
        where (a.subject = p.provider or a.key_of = p.provider) and a.closes = 'age' and a.held + a.overrun > 0.8 * least(a.granted, a.lowered_to))
on conflict (product, key) do nothing
returning product
