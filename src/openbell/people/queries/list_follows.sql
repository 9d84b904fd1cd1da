select ticker from openbell.follow where person_id = $1 order by ticker
