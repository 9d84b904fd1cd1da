-- How each product was shaped last; without a shape where a view or table of it is not there any more. Trouble of the last
-- day only: a later version of the same key has mended it, or would have said it again.
select s.product, s.filled_to is not null as filling, case when s.trouble_at > openbell.now() - interval '1 day' then s.trouble end as trouble,
    case when to_regclass(format('data.%I', replace(s.product, '-', '_'))) is not null
        and (s.keeper is null or to_regclass(format('data.%I', replace(s.product, '-', '_') || '_rows')) is not null) then s.shape end as shape
from openbell.shape s
