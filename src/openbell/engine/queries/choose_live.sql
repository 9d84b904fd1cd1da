-- Live jobs up to the id $1 in the state $2, of product $3, key $4 and class $5 (null: any), at most $6.
select j.id, j.product, j.key, j.state::text as state
from openbell.job j
where j.id <= $1 and ($2::text is null or j.state::text = $2) and ($3::text is null or j.product = $3) and ($4::text is null or j.key = $4)
    and ($5::smallint is null or j.job_class = $5)
order by j.id
limit $6
