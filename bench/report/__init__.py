"""What every benchmark has in common after it has measured: one result, and the ways to read it."""
