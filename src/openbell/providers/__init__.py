"""Whom we ask: one outside service per file. Clients are thin: one attempt, no sleeping, rows or a typed error."""
