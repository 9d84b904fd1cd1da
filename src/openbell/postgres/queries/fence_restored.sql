-- Run in the transaction of a restore, before anybody can see what was restored. What happened after the backup is unknown
-- here, so whatever could happen twice waits for an operator:
--   attempts    every worker is gone, and every token with it; running jobs go back to the queue
--   calls       one that was intended or sent may have happened: unknown, and its money stays held
--   unkeyed     what is bought by calls that must never be repeated, and was queued: it may have been bought since
--   money       paid budgets are paused until an operator has compared them with the providers' statements
--   mail        all mail is stopped; what waited is held, since it may have been sent
--   schedules   what was due in between is not run late, since it may have been
--   doors       links and sessions end: one that was used or revoked since would work again
do $$
declare
    v_backup timestamptz := current_setting('openbell.backup_at')::timestamptz;
    v_actor text := current_setting('openbell.actor');
    v_now timestamptz := openbell.now();
    v_why text := 'restored from a backup of ' || to_char(v_backup at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC';
    v_doubt bigint;
    v_held bigint;
    v_paused bigint;
    v_left bigint;
    v_job openbell.job;
begin
    update openbell.spend set state = 'sent', sent_at = coalesce(sent_at, tried_at) where state = 'intended' and effect <> 'repeat';
    update openbell.worker set expires_at = '-infinity', gone = true;
    perform openbell.rescue(2147483647);
    delete from openbell.worker;
    perform openbell.settle((
        select coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'token', null, 'outcome', v_why, 'state', 'unknown')), '[]')
        from openbell.spend s
        where s.ended_at is null
            and not exists (select 1 from openbell.job j where j.id = s.job_id and s.token is null and s.provider_ref is not null)));
    v_left := 0;
    for v_job in
        select l.* from openbell.job l
        where l.product in (
            select s.product from openbell.spend s join openbell.product p on p.name = s.product and p.kind = 'artifact'
            where s.effect = 'never' and s.held ?| array['usd_micro', 'credits'])
        for update of l
    loop
        insert into openbell.cooldown (product, key, code, message, at, retry_at, job_id)
        values (v_job.product, v_job.key, 'outcome_unknown', 'it may have been bought after the backup that was restored', v_now,
            '9999-12-31 00:00:00+00', v_job.id)
        on conflict (product, key) do update set code = excluded.code, message = excluded.message, retry_at = excluded.retry_at, job_id = excluded.job_id;
        perform openbell.finish(v_job, 'failed', null, 'outcome_unknown', 'it may have been bought after the backup that was restored');
        v_left := v_left + 1;
    end loop;
    select count(*) into v_doubt from openbell.spend where state = 'unknown' and effect <> 'repeat';

    update openbell.account set blocked_until = '9000-01-01 00:00:00+00', blocked_code = 'restored',
        blocked_reason = v_why || '; compare its figures with the statement of the provider, then resume it'
    where closes = 'charge' and subject not like 'person %' and (ends_at is null or ends_at > v_now);
    get diagnostics v_paused = row_count;

    update openbell.delivery set state = 'held', state_at = v_now, note = v_why || '; it may have been sent since'
    where state = 'ready';
    get diagnostics v_held = row_count;
    insert into openbell.meta (key, value)
    values ('mail_stop', jsonb_build_object('at', v_now, 'actor', v_actor, 'reason', v_why || ': look at what is held, then resume'))
    on conflict (key) do nothing;

    update openbell.schedule set next_at = null where next_at <= v_now;
    update openbell.duty set next_at = '-infinity';
    delete from openbell.link;
    delete from openbell.visit;
    delete from openbell.alert where state = 'pending';

    insert into openbell.meta (key, value) values ('restored', jsonb_build_object('backup_at', v_backup, 'at', v_now))
    on conflict (key) do update set value = excluded.value;
    insert into openbell.audit (actor, action, target, after)
    values (v_actor, 'database.restore', 'all', jsonb_build_object(
        'backup_at', v_backup, 'doubtful', v_doubt, 'accounts_paused', v_paused, 'left_alone', v_left, 'mails_held', v_held));
end $$
