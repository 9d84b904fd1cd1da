insert into openbell.migration (name, checksum)
values ($1, $2)
