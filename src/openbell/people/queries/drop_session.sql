delete from openbell.visit where hash = $1
