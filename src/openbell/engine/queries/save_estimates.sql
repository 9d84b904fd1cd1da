insert into openbell.estimate (
    product, provider, operation, resource, average, samples, alerts, alert_at, alert_spend, alert_took, alert_expected, changed_at)
select u.*, openbell.now()
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::float8[], $6::bigint[], $7::bigint[], $8::timestamptz[], $9::bigint[],
    $10::bigint[], $11::bigint[]) as u
on conflict (product, provider, operation, resource) do update
set average = excluded.average, samples = excluded.samples, alerts = excluded.alerts, alert_at = excluded.alert_at,
    alert_spend = excluded.alert_spend, alert_took = excluded.alert_took, alert_expected = excluded.alert_expected,
    changed_at = excluded.changed_at
