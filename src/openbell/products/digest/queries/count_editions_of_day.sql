-- How many digests have been planned for a day.
select count(*) from openbell.digest_edition where day = $1
