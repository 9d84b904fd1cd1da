select profile, personal, changed_at from openbell.picks_profile where person_id = $1
