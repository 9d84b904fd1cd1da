select next_at is not null from openbell.schedule where name = 'picks-week'
