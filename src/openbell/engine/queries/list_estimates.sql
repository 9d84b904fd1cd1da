-- All estimates, or those that have been exceeded within $1.
select product, provider, operation, resource, average, samples, alerts, alert_at, alert_spend, alert_took, alert_expected
from openbell.estimate where $1::interval is null or alert_at > openbell.now() - $1::interval
order by product, provider, operation, resource
