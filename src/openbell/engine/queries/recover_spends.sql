select openbell.recover_spends($1)
