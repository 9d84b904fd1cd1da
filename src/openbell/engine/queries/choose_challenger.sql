-- Which of the challengers $1 makes the key $2 for readers: the first whose flag is on for it. No row: none of them.
select f.name from openbell.flag f where f.name = any ($1::text[]) and openbell.is_on(f, $2) order by f.name limit 1
