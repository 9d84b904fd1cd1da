truncate bench.ceiling
