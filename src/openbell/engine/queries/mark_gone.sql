-- Workers whose lease ran out a while ago and who hold no job any more: nothing is left to take back. Not at once: a claim
-- that was under way when the lease ran out may still give them one.
update openbell.worker w set gone = true
where w.expires_at <= openbell.now() - interval '15 seconds' and not w.gone
    and not exists (select 1 from openbell.job j where j.worker = w.id)
