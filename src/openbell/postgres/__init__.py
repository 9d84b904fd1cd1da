"""The ground floor: connection pools, the embedded server, migrations and the loader of `.sql` files."""
