-- Only those that are in one of these states; 'was' brings back the state before the cancellation.
with found as materialized (
    select d.id, d.state, d.was, d.expires_at from openbell.delivery d where d.id = any ($1::bigint[]) order by d.id for update
), moved as (
    update openbell.delivery d
    set state = case when $3 = 'was' then coalesce(found.was, 'held') else $3 end,
        was = case when $4 = 'cancel' then found.state end,
        note = case $4 when 'send-now' then 'sent at once by an operator' when 'hold' then 'held by an operator' when 'cancel' then 'cancelled by an operator' else '' end,
        send_at = case when $4 = 'send-now' then least(d.send_at, (select openbell.now())) else d.send_at end,
        state_at = (select openbell.now())
    from found
    where d.id = found.id and found.state = any ($2::text[]) and found.expires_at > (select openbell.now())
        and (d.person_id is not null or d.address is not null) and d.letter is not null
        and ($4 <> 'undo' or found.was is not null)
    returning d.id, d.state, d.send_at, found.state as before
), noted as (
    insert into openbell.audit (actor, action, target, before, after)
    select $5, 'mail.' || $4, 'delivery ' || moved.id, jsonb_build_object('state', moved.before), jsonb_build_object('state', moved.state) from moved
)
select id, state, send_at from moved order by id
