"""Turn taking: who is speaking, and when the caller has finished. It serves every transport and every worker."""
