"""WHY: K-FAC on PyTorch, whose inverses come from any backend of `cosim`."""
