truncate bench.bare
