-- A job of many days ago.
select max(h.id) from openbell.job_history h where h.finished_at < (select openbell.now()) - interval '20 days'
