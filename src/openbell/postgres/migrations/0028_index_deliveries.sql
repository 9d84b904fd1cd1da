-- phase: expand
-- no-transaction
create index concurrently if not exists delivery_state on openbell.delivery (state, state_at, id) include (kind, send_at)
