"""Arithmetic: pure kernels over arrays that fill orders and move money. No market, no clock."""
