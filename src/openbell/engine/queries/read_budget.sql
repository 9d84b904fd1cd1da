select budget from openbell.challenge where name = $1
