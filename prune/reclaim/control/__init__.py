"""Control of pushes and pulls: bringing a registry under it, seeing that it is, and giving the registry back."""
