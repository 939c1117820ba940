"""`offhook bench transceiver`: what a call costs a transceiver, beside other echo servers."""
