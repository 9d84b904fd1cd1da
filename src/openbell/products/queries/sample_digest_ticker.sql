select ticker, name, cik, aliases, industry, 'staging' as source, imported_at from openbell.digest_ticker
