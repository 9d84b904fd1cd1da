"""Mail leaves the house here: one gate, one row per delivery, and nobody written to who asked not to be."""
