select f.id, f.at, f.actor, f.action, f.target, f.before, f.after
from openbell.find_audit($1, $2, $3, $4, $5, $6, $7, $8) f order by f.at desc, f.id desc
