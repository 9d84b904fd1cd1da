-- Where the numbering of jobs stands: what is queued later has higher ids.
select case when is_called then last_value else 0 end from openbell.job_id_seq
