select count(*) from openbell.person
