-- What the leaderboard is computed from: every symbol whose ratios may be served, its last two years, and its name. By symbol, at
-- most $1.
select a.key as symbol, ratios.value as ratios, a.checked_at, a.fresh_until, openbell.now() as now,
    coalesce(jsonb_path_query_array(years.value, '$.periods[last - 1 to last]'), '[]') as periods,
    coalesce(profile.value ->> 'name', '') as name, ratios.provenance ->> 'synthetic' as synthetic, ratios.licence,
    ratios.provenance
from openbell.artifact a
join openbell.version ratios on ratios.product = a.product and ratios.key = a.key and ratios.version = a.version
left join openbell.artifact s on s.product = 'financial-statements' and s.key = a.key and s.stale_until > (select openbell.now())
left join openbell.version years on years.product = s.product and years.key = s.key and years.version = s.version
left join openbell.artifact p on p.product = 'profile' and p.key = a.key
left join openbell.version profile on profile.product = p.product and profile.key = p.key and profile.version = p.version
where a.product = 'ratios-ttm' and a.version > 0 and a.stale_until > (select openbell.now())
order by a.key limit $1
