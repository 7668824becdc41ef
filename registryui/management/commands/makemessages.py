"""Collecting messages: Django's own command, which also knows what takes a message here without marking it."""

from django.core.management.commands import makemessages


class Command(makemessages.Command):
    """Besides the usual functions: errors for the person who asked, titles of columns, why there is no drawing."""

    xgettext_options = [
        *makemessages.Command.xgettext_options,
        "--keyword=NotNow",
        "--keyword=Moved",
        "--keyword=Column:2",
        "--keyword=Diagram:2",
        "--keyword=ngettext_noop:1,2",
    ]
    # A guess from a message that is spelled alike is worse than none.
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]
