-- phase: expand
-- no-transaction
create index concurrently if not exists alert_silence_until on openbell.alert_silence (until)
