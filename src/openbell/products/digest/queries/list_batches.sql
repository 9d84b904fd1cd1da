select b.id from openbell.digest_batch b order by b.id desc limit $1
