"""Where a registry's files live: the `Store` protocol (`base`) and the local disk (`disk`)."""
