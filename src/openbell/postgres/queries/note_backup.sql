insert into openbell.backup (act, file, bytes, checksum, took_s, actor, about) values ($1, $2, $3, $4, $5, $6, $7)
