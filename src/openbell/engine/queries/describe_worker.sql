update openbell.worker set classes = $2, products = $3, knows = $4 where id = $1
