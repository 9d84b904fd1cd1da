update openbell.job set parked_until = openbell.now()
where token is null and parked_until > openbell.now() and parked_until < 'infinity'
