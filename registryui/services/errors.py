"""Why something was not done, in a sentence for the person who asked."""


class NotNow(Exception):
    """It cannot be done as things stand."""


class Moved(NotNow):
    """What the person saw is not what is there now."""
