"""Market data: one product per file."""
