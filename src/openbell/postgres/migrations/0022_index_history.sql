-- phase: expand
--
-- Lists of ended jobs, of spends and of mails that stay quick however much there is. Days that come from now on have
-- these indexes; days that were before get theirs by openbell.index_history: small ones at once, large ones when they
-- are over, so that no migration keeps a worker from writing history.

-- squawk-ignore require-concurrent-index-creation
create index job_history_time on only openbell.job_history (finished_at, id);
-- squawk-ignore require-concurrent-index-creation
create index job_history_key on only openbell.job_history (key, finished_at, id);
-- The few that did not go as they should cost the many that did nothing.
-- squawk-ignore require-concurrent-index-creation
create index job_history_code on only openbell.job_history (code, finished_at, id) where code is not null;
-- squawk-ignore require-concurrent-index-creation
create index job_history_outcome on only openbell.job_history (outcome, finished_at, id) where outcome not in ('done', 'unchanged');
