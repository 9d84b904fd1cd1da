delete from bench.ceiling where id = any ($1::bigint[])
