select send_at, mailed_version, quiet from openbell.digest_edition where ticker = $1 and edition = $2 and day = $3
