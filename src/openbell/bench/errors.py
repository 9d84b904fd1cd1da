"""Errors of the benchmarks."""

from __future__ import annotations


class BenchError(Exception):
    """A measurement that cannot be trusted: a process died, or jobs were lost or done twice."""
