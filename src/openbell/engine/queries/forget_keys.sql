-- Accounts of keys that are in use no longer do not keep their provider open: of the providers $1, all subjects but $2.
update openbell.account a set key_of = null where a.key_of = any ($1::text[]) and a.subject <> all ($2::text[])
