select openbell.fold_trends($1::float8[])
