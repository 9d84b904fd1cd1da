select exists (select from openbell.digest_ticker where ticker = $1)
