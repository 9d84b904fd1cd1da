update openbell.backfill
set cursor = coalesce($2, cursor), rows = rows + $3, batches = batches + 1, moved_at = clock_timestamp(), error = null,
    finished_at = case when $2::text is null then clock_timestamp() end
where name = $1
returning rows
