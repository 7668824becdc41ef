"""Looking for damage: everything that a registry holds is read, or asked for, and compared with what it should be."""
