select count(*) from openbell.delivery
where person_id = $1 and kind = $2 and created_at > (select openbell.now()) - make_interval(secs => $3)
