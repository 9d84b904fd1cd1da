select count(*) from openbell.occurrence where schedule <> 'mail-sweep'
