delete from openbell.job
