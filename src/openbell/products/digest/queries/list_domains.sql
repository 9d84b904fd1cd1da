select domain, free_ok + paid_ok as good, free_bad as bad from openbell.digest_domain
