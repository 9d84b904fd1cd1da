-- How a call ends that nobody will end: one with an effect that was not marked as sent has not happened, all others may have.
create or replace function openbell.lost_call(p_spend openbell.spend, p_message text) returns jsonb
language sql immutable as $$
    select jsonb_build_object('id', p_spend.id, 'token', p_spend.token, 'outcome', p_message,
        'state', case when p_spend.effect <> 'repeat' and p_spend.state = 'intended' then 'released' else 'unknown' end)
$$;
