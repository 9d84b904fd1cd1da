with moved as (update openbell.flag set mode = 'on', changed_at = openbell.now() returning 1) select count(*) from moved
