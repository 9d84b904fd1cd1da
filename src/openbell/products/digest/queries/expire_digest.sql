-- A digest that is to be made again is not fresh any more; one that has been made again meanwhile is.
update openbell.artifact a set fresh_until = (select openbell.now())
where a.product = 'digest' and a.key = $1 and a.version = $2 and a.fresh_until > (select openbell.now())
returning a.version
