update openbell.digest_feed f
set succeeded_at = (select openbell.now()), in_a_row = 0, code = null, message = null, not_before = null, told_at = null,
    etag = $2, modified = $3, moved_to = coalesce($4, f.moved_to), entries = coalesce($5, f.entries)
where f.id = $1
