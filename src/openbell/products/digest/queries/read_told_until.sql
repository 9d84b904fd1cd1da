-- Until when hourly mails have told what is new: the end of the last one's hours, which its name ends with.
select max(split_part(d.artifact, ' ', 3)::timestamptz)
from openbell.delivery d
where d.kind = 'digest-hourly'
