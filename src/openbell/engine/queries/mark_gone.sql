-- Workers whose lease has run out and who hold no job any more: nothing is left to take back.
update openbell.worker w set gone = true
where w.expires_at <= openbell.now() and not w.gone
    and not exists (select 1 from openbell.job j where j.worker = w.id)
