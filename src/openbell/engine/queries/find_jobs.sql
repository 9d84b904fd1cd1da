select id, key, false as created from openbell.job where product = $1 and key = any ($2::text[])
