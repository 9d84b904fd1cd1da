select c.pair, c.alert, c.threshold, c.saved_at from openbell.saved_comparison c where c.person_id = $1 order by c.pair
