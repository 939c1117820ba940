"""The neural networks that the fabric runs: which, whence, and where they lie. None of them is in this repository."""
