"""Ratios of speed: seq_gym against its neighbours, against a plain copy, and against itself."""
