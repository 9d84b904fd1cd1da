select at, actor, action, before, after from openbell.audit where target = $1 or actor = $1 order by id
