-- What rests on an input of which there is a newer version is stale at once; whoever demands it gets it made anew.
update openbell.artifact a
set fresh_until = least(a.fresh_until, (select openbell.now()))
from openbell.forecast_input i
join openbell.artifact source on source.product = i.product and source.key = i.key and source.version > i.version
where a.product = 'comparison' and a.key = i.comparison and a.fresh_until > (select openbell.now())
returning a.key
