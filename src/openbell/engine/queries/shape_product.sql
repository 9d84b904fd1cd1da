select openbell.shape_product($1, $2)
