"""Reading registries: every kind behind one protocol (`base`), opened from a SOURCE string (`open`)."""
