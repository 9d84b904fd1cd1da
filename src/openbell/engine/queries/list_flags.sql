select name, mode, share, salt, allow, deny, about, owner, remove_by, changed_at from openbell.flag order by name
