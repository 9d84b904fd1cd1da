-- Without the names that a list may hold, and without who owns it.
select name, mode, share, salt, about, 'staging' as owner, remove_by, changed_at from openbell.flag
