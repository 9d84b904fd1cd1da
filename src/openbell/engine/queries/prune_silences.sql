delete from openbell.alert_silence
where id = any (array(select s.id from openbell.alert_silence s where s.until < (select openbell.now()) - $1::interval order by s.until limit $2))
