select openbell.now() as now
