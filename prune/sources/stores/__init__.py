"""Where a registry's files live: the `Store` protocol (`base`), the local disk (`disk`), and buckets (`objects`)."""
