select name, given, words, at from openbell.picks_attestation order by id desc limit 1
