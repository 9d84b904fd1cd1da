update openbell.worker set classes = $2, products = $3 where id = $1
