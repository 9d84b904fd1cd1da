delete from openbell.worker where id = $1
