select r.at_least, r.most_different::float8 as most_different, r.most_failed::float8 as most_failed, r.over from openbell.flag_rule r where r.flag = $1
