-- Whether the job is still held under this token; it stays so until the transaction ends.
select true from openbell.job j where j.id = $1 and j.token = $2 and j.cancelled_by is null for update
