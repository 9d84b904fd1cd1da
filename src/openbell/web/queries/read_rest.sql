-- What /health tells besides freshness and work: calls in doubt, alerts that fire, the last backup.
select (select count(*) from openbell.spend s where s.state = 'unknown' and s.effect <> 'repeat') as unknown_spends,
    (select extract(epoch from openbell.now() - max(b.at))::float8 from openbell.backup b where b.act = 'backup') as backup_age_s,
    (select coalesce(jsonb_agg(distinct a.code), '[]') from openbell.alert a where a.state = 'firing') as firing
