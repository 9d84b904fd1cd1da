select openbell.index_history(null)
