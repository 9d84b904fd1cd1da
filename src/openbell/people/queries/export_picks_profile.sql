select profile, personal, by_mail, changed_at from openbell.picks_profile where person_id = $1
