select calendar, day, opens_at, closes_at, planned_closes_at from openbell.session
