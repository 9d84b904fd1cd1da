-- The clock is about to move to $1: nobody who is alive shall seem dead for that.
update openbell.worker set expires_at = expires_at + ($1::timestamptz - openbell.now())
where expires_at > openbell.now() and not gone
