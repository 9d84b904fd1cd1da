-- Whether a person is to get mails of a list: they agreed to mail, and have not ended this list since.
create or replace function openbell.wants_mail(p_person bigint, p_list text) returns boolean
language sql stable as $$
    select coalesce((select c.given from openbell.consent c where c.person_id = p_person and c.kind = 'mail' order by c.id desc limit 1), false)
        and coalesce((
            select c.given from openbell.consent c where c.person_id = p_person and c.kind = 'mail:' || p_list order by c.id desc limit 1), true)
$$;
