select kind, version, given, at, source from openbell.consent where person_id = $1 order by id
