-- The mails to subscribers of one digest.
select d.id from openbell.delivery d where d.artifact = 'digest ' || $1::text and d.kind = 'digest' order by d.id
