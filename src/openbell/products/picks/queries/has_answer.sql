select exists (select 1 from openbell.picks_answer a where a.edition = $1 and not a.given_up)
