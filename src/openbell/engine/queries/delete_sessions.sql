-- What was computed of a calendar from a day on; days that an operator has changed stay as they are.
delete from openbell.session s
where s.calendar = $1 and s.day >= $2
    and not exists (select 1 from openbell.session m where m.calendar = $1 and m.day = s.day and m.source = 'manual')
