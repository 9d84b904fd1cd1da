-- `expired`: the day by which it should be gone is over, by the database's clock.
select name, mode, share, salt, allow, deny, about, owner, remove_by, changed_at, revision,
    remove_by < ((select openbell.now()) at time zone 'UTC')::date as expired
from openbell.flag order by name
