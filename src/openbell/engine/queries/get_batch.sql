select b.id, b.name, b.created_at, b.total, b.done, b.failed, b.cancelled,
    (select count(*) from openbell.job j where j.batch = b.id and j.token is not null) as running
from openbell.batch b where b.id = $1
