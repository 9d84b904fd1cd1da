select p.what, p.n from openbell.purge_step($1, $2, $3) p where p.n > 0
