-- The last call that ended within [$1, $2): pages of an earlier time begin there, not at the latest call.
select max(s.id) from openbell.spend s where s.ended_at >= $1 and s.ended_at < $2
