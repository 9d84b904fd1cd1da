-- phase: expand
--
-- What each worker can do, so that it can be told whether anybody serves a class or knows a product. Null in rows of older code.

alter table openbell.worker add column classes smallint[], add column products text[];
