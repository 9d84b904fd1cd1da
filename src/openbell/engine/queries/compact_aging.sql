select openbell.compact_aging()
