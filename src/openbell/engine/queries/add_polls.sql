insert into openbell.poll (product, key) select $1, k from unnest($2::text[]) as k on conflict do nothing
