-- The request leaves now. False when the attempt is no longer ours: then it must not leave. Until this is committed a call
-- with an effect is proven not to have happened.
create or replace function openbell.mark_sent(p_spend bigint, p_job bigint, p_token bigint) returns boolean
language plpgsql as $$
begin
    perform 1 from openbell.job j where j.id = p_job and j.token = p_token and j.cancelled_by is null for key share;
    if p_job is not null and not found then
        return false;
    end if;
    update openbell.spend s set state = 'sent', sent_at = openbell.now()
    where s.id = p_spend and s.ended_at is null and s.token is not distinct from p_token;
    return found;
end $$;
