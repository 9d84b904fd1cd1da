select ticker, edition, day, due_at, send_at, mailed_version, quiet, alerted_at
from openbell.digest_edition
where day = $1
order by ticker, edition
