delete from openbell.forecast_note_count
where ctid = any (array(
    select c.ctid from openbell.forecast_note_count c where c.day < ((select openbell.now()) - $1::interval)::date limit $2))
