-- Which of these sessions and tokens still let an operator in.
select s.hash from openbell.visit s join openbell.person p on p.id = s.person_id
where s.hash = any($1::bytea[]) and s.expires_at > (select openbell.now()) and p.role = 'admin'
    and p.state in ('active', 'paused', 'left') and p.erased_at is null
union all
select t.hash from openbell.api_token t join openbell.person p on p.id = t.person_id
where t.hash = any($1::bytea[]) and t.revoked_at is null and t.scope = 'operator' and p.role = 'admin'
    and p.state in ('active', 'paused')
