insert into openbell.job (product, key, job_class, max_attempts, args)
select p.name, 'load-' || $2::text || '-' || n, p.job_class, p.max_attempts,
    jsonb_build_object('n', n, 'symbol', 'SYM' || lpad((n % 5000)::text, 4, '0'), 'source', 'bench')
from openbell.product p, generate_series(1, $3::bigint) as n
where p.name = $1
