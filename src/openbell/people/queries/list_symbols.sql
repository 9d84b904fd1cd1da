select a.key as symbol, v.value ->> 'name' as name
from openbell.artifact a left join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
where a.product = 'profile' and a.state = 'value'
