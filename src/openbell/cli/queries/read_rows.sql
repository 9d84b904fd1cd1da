select * from data.{table} where $1::text[] is null or key = any($1) order by {order}
