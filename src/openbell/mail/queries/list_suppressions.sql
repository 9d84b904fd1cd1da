select domain, reason, detail, at from openbell.suppression order by at desc limit $1
