-- A target that is known is never replaced by a failure.
insert into openbell.digest_link (google_id, target, reason, keep_until)
values ($1, $2, $3, (select openbell.now()) + $4::interval)
on conflict (google_id) do update
set target = excluded.target, reason = excluded.reason, keep_until = excluded.keep_until
where excluded.target is not null or openbell.digest_link.target is null
