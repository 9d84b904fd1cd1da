truncate openbell.hold, openbell.spend, openbell.aging, bench.vault_hold
