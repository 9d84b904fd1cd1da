select fact from openbell.picks_fact where week = $1 order by ticker
