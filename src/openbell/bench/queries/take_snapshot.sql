select count(*) from openbell.worker
