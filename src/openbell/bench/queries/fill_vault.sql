insert into bench.vault (id, granted) values (1, 1000000000000000)
