update openbell.picks_answer set given_up = true where edition = $1 and not given_up returning number
