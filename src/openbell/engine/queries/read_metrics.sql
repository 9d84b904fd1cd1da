select m.name, m.labels, m.value from openbell.metric m order by m.name, m.labels::text
