-- How each product was shaped last; without a shape where a view or table of it is not there any more.
select s.product, s.filled_to is not null as filling,
    case when to_regclass(format('data.%I', replace(s.product, '-', '_'))) is not null
        and (s.keeper is null or to_regclass(format('data.%I', replace(s.product, '-', '_') || '_rows')) is not null) then s.shape end as shape
from openbell.shape s
