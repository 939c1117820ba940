"""Which worker's pod goes first when there are too many: the emptiest. Kubernetes asks an annotation; this keeps it."""
