select b.provider, b.operation, b.opened_at, b.open_until, b.openings, b.code, b.reason, b.open_until > openbell.now() as is_open, openbell.now() as now
from openbell.breaker b order by b.provider, b.operation
