-- Within this transaction rows are read in the order of an index: statistics of a new partition know nothing of what it holds by
-- now. Each statement is planned by its own values.
select set_config('enable_sort', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('plan_cache_mode', 'force_custom_plan', true)
