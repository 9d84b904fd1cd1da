delete from openbell.alert where id in (
    select a.id from openbell.alert a where a.state = 'cleared' and a.cleared_at < (select openbell.now()) - $1::interval limit $2)
