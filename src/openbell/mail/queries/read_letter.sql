select d.kind, l.subject, l.html, l.body, l.images from openbell.delivery d join openbell.letter l on l.hash = d.letter where d.id = $1
