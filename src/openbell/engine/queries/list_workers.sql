select w.id, w.name, w.slots, w.started_at, w.beat_at, w.expires_at, w.draining, w.expires_at > openbell.now() as alive,
    w.classes, w.products, w.counters
from openbell.worker w
where not w.gone
order by w.id limit 500
