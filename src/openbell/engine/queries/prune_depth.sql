delete from openbell.depth
where ctid = any (array(select d.ctid from openbell.depth d where d.at < (select openbell.now()) - $1::interval limit $2))
