-- A feed that fails is left alone for a while, for longer each time in a row.
update openbell.digest_feed f
set failures = f.failures + 1, in_a_row = f.in_a_row + 1, code = $2, message = $3,
    not_before = (select openbell.now()) + least($4::interval * power(2, least(f.in_a_row, 6)), $5::interval)
where f.id = $1
