-- TABLE_NAME is put in by the drill, quoted, from the catalogue.
select count(*) from TABLE_NAME t where t::text like '%' || $1 || '%'
