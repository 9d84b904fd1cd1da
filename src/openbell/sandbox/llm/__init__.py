"""What the simulators of language models share.

prices    a small price table in whole micro-dollars, and how tokens are counted
patterns  a text that matches a simple regular expression
writer    synthetic text and JSON, deterministic from the input, valid by its JSON schema
batches   files and batches in the form that OpenAI made and Perplexity took over
events    server-sent events

A token count here is made up, a price is real.
"""
