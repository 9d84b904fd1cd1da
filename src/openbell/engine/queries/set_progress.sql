update openbell.job set progress = $3 where id = $1 and token = $2 returning true
