delete from openbell.suppression where hash = $1 returning domain
