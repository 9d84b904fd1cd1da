-- phase: expand
--
-- What is known, for whoever reads SQL: in the schema `data` a typed view for each product, made from its model when the
-- registry is seeded, and a table for each time series, written with the version that brings its rows.

create schema data;
comment on schema data is 'one view for each data type of Openbell, and one table for each time series; made by openbell, to be read';

-- What a product looks like in `data`, as it was made last.
--   shape      its columns, and those of its rows with their natural key (openbell.engine.shapes)
--   keeper     the function that takes the rows of a version into their table; null for a product that is no series
--   filled_to  the key up to which a new table has been filled from what was known before; null when that is done
--   trouble    why rows of a version could not be taken; the version itself is published all the same
create table openbell.shape (
    product    text        primary key references openbell.product (name),
    shape      jsonb       not null,
    keeper     text,
    filled_to  text,
    made_at    timestamptz not null default openbell.now(),
    trouble    text,
    trouble_at timestamptz
);
