select (select count(*) from openbell.person) + (select count(*) from openbell.artifact) + (select count(*) from openbell.meta where key = 'environment')
