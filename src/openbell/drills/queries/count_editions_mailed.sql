select count(*) as planned, count(*) filter (where e.mailed_version is not null or e.quiet) as mailed,
    count(*) filter (where e.quiet) as quiet, min(e.send_at) as send_at, max(e.mailed_at) as mailed_at
from openbell.digest_edition e where e.day = $1
