select count(*) from openbell.picks_edition where week = $1 and kind = 'personal'
