select spend_id, verdict, account_id, frees_at, greatest(coalesce(frees_at - openbell.now(), interval '1 second'), interval '0') as opens_in,
    resumed, provider_ref
from openbell.reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) order by request
