-- Within this transaction rows are read in the order of an index: statistics of a new partition know nothing of what it holds by now.
select set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true)
