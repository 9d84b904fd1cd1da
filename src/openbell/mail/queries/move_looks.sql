-- The jobs of these deliveries are parked until another time, or with none wake now.
update openbell.job set parked_until = $2
where product = 'mail-delivery' and key = any ($1::text[]) and token is null and parked_until is distinct from $2
