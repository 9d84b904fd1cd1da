-- Takes the rows of a version into the table of its series, in the transaction that publishes it. Whatever may be wrong
-- with the table, the version is worth more: then it is published without, and openbell.shape says why. Others may read
-- and lock these tables; nobody's result waits for them for long, and what was left out is filled in later.
create or replace function openbell.keep_rows(p_product text, p_key text, p_version integer, p_keeper text) returns void
language plpgsql set lock_timeout = '250ms' as $$
begin
    execute format('select openbell.%I($1, $2)', p_keeper) using p_key, p_version;
exception
    when lock_not_available or deadlock_detected then
        update openbell.shape s set trouble = p_key || ' v' || p_version || ': ' || sqlerrm, trouble_at = openbell.now(), filled_to = ''
        where s.product = p_product;
    when data_exception or integrity_constraint_violation or program_limit_exceeded or syntax_error_or_access_rule_violation then
        update openbell.shape s set trouble = p_key || ' v' || p_version || ': ' || sqlerrm, trouble_at = openbell.now()
        where s.product = p_product;
end $$;
