delete from openbell.depth
where ctid = any (array(select d.ctid from openbell.depth d where d.at < openbell.now() - $1::interval limit $2))
