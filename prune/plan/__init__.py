"""From a request to a plan, and from a plan to what of it still holds. Pure: no I/O, no clock."""
