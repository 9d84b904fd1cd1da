select count(*) from openbell.artifact where product = 'comparison' and version > 0
