-- Takes the rows of what was known before its table was made, a number of keys at a time, or of what was left out because
-- somebody had the table. False when nothing is left, or somebody else is at it or still has the table.
create or replace function openbell.fill_rows(p_product text, p_most integer) returns boolean
language plpgsql as $$
declare
    s openbell.shape;
    a record;
    v_began timestamptz := openbell.now();
    v_left boolean := false;
begin
    select * into s from openbell.shape t where t.product = p_product and t.filled_to is not null and t.keeper is not null
    for update skip locked;
    if not found then
        return false;
    end if;
    for a in
        select t.key, t.version from openbell.artifact t
        where t.product = p_product and t.key > s.filled_to and t.version > 0
        order by t.key limit p_most for update
    loop
        perform openbell.keep_rows(p_product, a.key, a.version, s.keeper);
        if exists (select 1 from openbell.shape t where t.product = p_product and t.filled_to = '' and t.trouble_at >= v_began) then
            return false;
        end if;
        s.filled_to := a.key;
        v_left := true;
    end loop;
    update openbell.shape t set filled_to = case when v_left then s.filled_to end where t.product = p_product;
    return v_left;
end $$;
