delete from openbell.poll where product = $1 and ($2::text[] is null or key = any ($2::text[]))
