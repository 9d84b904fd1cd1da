select g.at, g.actor, g.amount, g.reason from openbell.account_grant g where g.account_id = $1 order by g.id
