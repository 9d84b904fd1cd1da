"""Drills: scenarios that are played against a running house on synthetic data, and say what they proved.

Each ends with one line of figures, and with an exit code that is not 0 when a promise is broken.
"""
