-- Whether a feed has failed and is left alone for now.
select f.not_before > (select openbell.now()) from openbell.digest_feed f where f.id = $1
