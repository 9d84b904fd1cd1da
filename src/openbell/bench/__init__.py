"""The benchmarks behind `openbell bench`: each figure beside the least that plain SQL needs, in the same run.

Ratios are what counts: both sides share the machine, the server and its settings, and take turns. Engine workers are
processes of their own, as in production; nothing here tunes the server beyond what the product sets for itself.
"""
