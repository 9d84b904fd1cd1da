insert into openbell.migration_past (name, checksum)
select name, coalesce(nullif($2, ''), checksum)
from openbell.migration
where name = $1
on conflict do nothing
