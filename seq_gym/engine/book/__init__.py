"""The book engine: order books and trades replayed on two clocks, with the agent's orders in them.

Source: spec book.md (B1 to B20, F1 to F6, L1, L2, Z1 to Z3).
"""
