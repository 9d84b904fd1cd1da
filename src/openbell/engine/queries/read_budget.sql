-- What the trials of the challenger $1 may take a day. No row where its flag is in shadow for the key $2 no longer.
select c.budget from openbell.challenge c join openbell.flag f on f.name = c.name where c.name = $1 and openbell.is_shadowed(f, $2)
