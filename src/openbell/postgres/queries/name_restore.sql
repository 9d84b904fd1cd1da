-- For psql, which puts the quoted values in: of when the backup is, and who restores it.
select set_config('openbell.backup_at', :'backup_at', true), set_config('openbell.actor', :'actor', true)
