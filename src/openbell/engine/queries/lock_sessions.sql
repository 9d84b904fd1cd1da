-- Whoever writes sessions waits for whoever else does; readers wait for nobody. Until the end of the transaction.
lock table openbell.session in share row exclusive mode
