select openbell.resolve_spend($1, $2, $3, $4, $5)
