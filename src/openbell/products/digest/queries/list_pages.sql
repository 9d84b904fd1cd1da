select domain, free_ok, free_bad, paid_ok, paid_bad, last_code
from openbell.digest_domain
order by free_ok + free_bad + paid_ok + paid_bad desc, domain
