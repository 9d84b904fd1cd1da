select a.key from openbell.artifact a where a.product = 'digest' and a.key = any($1::text[]) and a.version > 0
