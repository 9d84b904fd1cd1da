select name, checksum
from openbell.migration_past
