-- Say what kind of data this database holds, once and for all; the answer is what it was stamped with first.
insert into openbell.meta as meta (key, value) values ('mode', to_jsonb($1::text))
on conflict (key) do update set value = meta.value
returning value;
