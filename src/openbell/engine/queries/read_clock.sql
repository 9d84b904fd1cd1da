select openbell.now()
