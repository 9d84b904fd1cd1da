select name, checksum
from openbell.migration
order by name
