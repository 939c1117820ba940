"""What a call was like: set-up, loss, gaps, delay, an estimate of how it sounded. No I/O."""
