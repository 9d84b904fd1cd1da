-- Rejected answers beyond their retention.
delete from openbell.rejected
where id in (select r.id from openbell.rejected r where r.rejected_at < (select openbell.now()) - $1::interval order by r.id limit $2)
