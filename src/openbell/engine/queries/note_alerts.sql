select * from openbell.note_alerts($1, $2, $3)
