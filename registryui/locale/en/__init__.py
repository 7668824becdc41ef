"""English, the language of the messages themselves: it has no catalog."""
