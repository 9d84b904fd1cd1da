-- Rows that came before their day had a partition of its own, a bounded number at a time.
delete from openbell.job_history_default
where ctid = any (array(
    select h.ctid from openbell.job_history_default h where h.finished_at < (select openbell.now()) - $1::interval limit $2
))
