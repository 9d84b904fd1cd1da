insert into openbell.meta (key, value) select 'environment', '"staging"'::jsonb union all select 'mode', $1::jsonb where $1::jsonb is not null
