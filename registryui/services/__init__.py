"""One use case, one function. Transactions, locks and the audit record live here and nowhere else."""
