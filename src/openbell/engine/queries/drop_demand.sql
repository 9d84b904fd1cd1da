delete from openbell.demand d using unnest($2::text[], $3::text[]) as u (product, key)
where d.source = $1 and d.product = u.product and d.key = u.key
