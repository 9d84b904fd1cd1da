select person_id, ticker from openbell.follow where person_id = any ($1::bigint[]) order by person_id, ticker
