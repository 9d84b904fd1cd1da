"""Comparison forecasts: series of interest, and what comes next within honest bounds."""
