"""Weekly picks: one edition per person and week, paid for once."""
