"""Financial Modeling Prep, "stable" API.

rows        replay -> documented JSON rows
refusals    every documented error, word for word
plans       what a subscription allows, and the meter
simulator   one call from arrival to answer
"""

from openbell.sandbox.fmp.simulator import Fmp

__all__ = ["Fmp"]
