-- Whether it answers, and whose environment it is.
select (select m.value #>> '{}' from openbell.meta m where m.key = 'environment')
