insert into openbell.migration (name, checksum)
values ($1, $2)
on conflict (name) do update set checksum = excluded.checksum, applied_at = excluded.applied_at
