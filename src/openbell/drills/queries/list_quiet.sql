select ticker from openbell.digest_edition where day = $1 and quiet
