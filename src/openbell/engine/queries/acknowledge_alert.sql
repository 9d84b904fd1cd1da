with done as (
    update openbell.alert set acknowledged_at = (select openbell.now()), acknowledged_by = $2
    where id = $1 and state = 'firing' and acknowledged_at is null returning id, code, about
), written as (
    insert into openbell.audit (actor, action, target, after)
    select $2, 'alert.acknowledge', done.code || ' ' || done.about, jsonb_build_object('alert', done.id) from done
)
select done.id from done
