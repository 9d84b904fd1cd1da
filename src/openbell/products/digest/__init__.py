"""Digests: a report per ticker that arrives on time and cites its sources."""
