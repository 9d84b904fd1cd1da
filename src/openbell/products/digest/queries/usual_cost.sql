select avg(v.cost_micro)
from openbell.version v
where v.product = 'digest' and v.created_at > (select openbell.now()) - interval '30 days'
