"""What is based on what, and what keeps what alive. Pure: no I/O, no clock."""
