-- Mails that ended longer than $1 ago, at most $2; what is in doubt waits for an operator. State by state, the oldest first, as the
-- index has them: looking for what is old then reads none of what is kept.
delete from openbell.delivery d
where d.id = any (array(
    select old.id
    from unnest(array['sent', 'skipped', 'cancelled', 'expired', 'failed']) as ended (state), lateral (
        select o.id from openbell.delivery o
        where o.state = ended.state and o.state_at < (select openbell.now()) - $1::interval
            and o.expires_at < (select openbell.now()) - $1::interval
        order by o.state_at, o.id
        limit $2
    ) old
    limit $2
))
