"""Financial Modeling Prep, "stable" API.

table       path -> the function that makes its rows, and the plan that reaches it
ask         what such a function is asked
rows        prices, profiles, searches: the replay      intraday    bars within the day, aftermarket
statements  income, balance, cash flow                  segments    revenue by product and region
ratios      ratios and key metrics                      analysts    estimates, grades, targets, ratings
events      dividends, splits, earnings, calendars      exchanges   hours, holidays, constituents
valuations  a share's worth, its other listings insiders    what insiders buy and sell
economy     yields and risk premiums
news        news and press releases                     bulk        CSV files of the whole market
refusals    every documented error, word for word
plans       what a subscription allows, and the meter
simulator   one call from arrival to answer
"""

from openbell.sandbox.fmp.simulator import Fmp

__all__ = ["Fmp"]
