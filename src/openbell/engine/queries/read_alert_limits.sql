select m.value from openbell.meta m where m.key = 'alerts'
