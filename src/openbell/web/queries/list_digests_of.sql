-- The latest digests whose keys begin so, newest day first, each with the line that stands on top.
select v.key, v.value #>> '{content,name}' as name, v.value #>> '{content,summary,bottom_line,text}' as bottom_line,
    (v.value #>> '{content,quiet}')::boolean as quiet, v.value #>> '{content,synthetic}' as synthetic
from openbell.artifact a
join openbell.version v on v.product = a.product and v.key = a.key and v.version = a.version
where a.product = 'digest' and starts_with(a.key, $1)
order by split_part(a.key, '|', 3) desc, a.key
limit $2
