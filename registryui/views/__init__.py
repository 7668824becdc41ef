"""One module for each kind of page. Views ask services; they never touch a registry themselves."""
