"""What the operating system says of files and connections, which sentences of the engine repeat."""

from django.utils.translation import gettext_noop as _

FORMS = (
    # files
    _("Permission denied"),
    _("No such file or directory"),
    _("Input/output error"),
    _("Is a directory"),
    _("Not a directory"),
    _("No space left on device"),
    _("Read-only file system"),
    _("Too many levels of symbolic links"),
    _("Too many open files"),
    _("File exists"),
    _("File name too long"),
    _("Stale file handle"),
    # connections
    _("Connection refused"),
    _("Connection reset by peer"),
    _("Network is unreachable"),
    _("No route to host"),
    _("Connection timed out"),
    _("timed out"),
)
