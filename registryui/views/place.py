"""Where a registry is: an address or a path in one line, or a bucket in fields of its own."""

from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from prune.model.errors import PruneError
from prune.sources.stores.objects.address import OPTIONS, SCHEMES, Address, parse_address
from registryui.services.errors import told

ADDRESS = "address"
#: Places that are said in one line, with what stands before it in a source.
LINES = {ADDRESS: "", "oci": "oci:", "docker": "docker:"}
PLACES = {
    ADDRESS: _("An address or a folder"),
    "oci": _("An OCI image layout"),
    "docker": _("A Docker Engine"),
    "s3": _("A bucket: S3, or what speaks its language"),
    "gs": _("A bucket: Google Cloud Storage"),
    "az": _("A container: Azure Blob Storage"),
}


def _by_place(**words: str | Promise) -> str:
    """Return a label that reads differently for each place; which one shows, the style sheet decides."""
    return format_html_join("", '<span class="at-{}">{}</span>', words.items())


class PlaceForm(forms.Form):
    """The fields of a place. ``source`` is the model's; a bucket's own fields are put together into it."""

    place = forms.ChoiceField(label=_("It is"), choices=list(PLACES.items()), required=False)
    bucket = forms.CharField(required=False)
    folder = forms.CharField(
        label=_("Prefix"), required=False, help_text=_("The registry's rootdirectory; empty for the whole bucket.")
    )
    endpoint = forms.CharField(
        label=_("Endpoint"),
        required=False,
        help_text=_("https://HOST or http://HOST:PORT; empty for the cloud's own."),
    )
    region = forms.CharField(label=_("Region"), required=False, help_text=_("Like eu-central-1."))

    #: In the order in which they are shown; those that one kind of place does not have, the style sheet hides.
    shown = (
        *("place", "source", "bucket", "folder", "endpoint", "region"),
        *("username", "new_password", "token_realm", "ca_certificate"),
    )

    def fill(self, source: str) -> None:
        """Show a source in the fields of its place."""
        self.fields["source"].required = False  # it may come from the other fields
        self.fields["bucket"].label = _by_place(s3=_("Bucket"), gs=_("Bucket"), az=_("Container"))
        self.fields["source"].label = _by_place(address=_("Address"), oci=_("Folder"), docker=_("Engine"))
        self.fields["source"].help_text = _by_place(
            address=_("https://registry.example.com, https://registry.example.com/repository, or storage:/path"),
            oci=_("Of the worker's machine, with index.json and blobs in it, as skopeo and buildah write it."),
            docker=_(
                "unix:///path or tcp://HOST:PORT; empty for the engine of the worker's machine. Whoever may speak "
                "to an engine is master of its machine: the worker then is."
            ),
        )
        self.fields["username"].label = _by_place(
            address=_("User name"), s3=_("Access key ID"), az=_("Storage account")
        )
        # Only a registry's token server knows such a name.
        self.fields["username"].help_text = _by_place(address=self.fields["username"].help_text)
        self.fields["new_password"].label = _by_place(
            address=_("Password or token"),
            s3=_("Secret access key"),
            gs=_("Key of a service account (JSON)"),
            az=_("Account key or shared access signature"),
        )
        self.fields["new_password"].help_text = format_html(
            '{} <span class="at-bucket">{}</span>',
            self.fields["new_password"].help_text,
            _("A bucket at the cloud itself needs none where the worker's machine has a role that may use it."),
        )
        for place, before in LINES.items():
            if before and source.startswith(before):
                self.initial.update(place=place, source=source.removeprefix(before))
        if not source.startswith(tuple(f"{scheme}://" for scheme in SCHEMES)):
            return
        address = parse_address(source)
        self.initial.update(place=address.scheme, source="", bucket=address.bucket, folder=address.prefix)
        self.initial.update(endpoint=address.endpoint, region=address.region)

    def put_together(self, cleaned: dict[str, Any]) -> None:
        """Make the source out of the fields of a bucket, or say what is wrong with them."""
        scheme = cleaned.get("place") or ADDRESS
        if scheme in LINES:
            line = cleaned.get("source") or ""
            if not line and scheme != "docker":
                self.add_error("source", _("Say where the registry is."))
            # Whoever writes the whole source means the same.
            cleaned["source"] = LINES[scheme] + line.removeprefix(LINES[scheme])
            return
        options = {name: cleaned.get(name) or "" for name in ("endpoint", "region") if name in OPTIONS[scheme]}
        bucket, prefix = (cleaned.get("bucket") or "").strip(), (cleaned.get("folder") or "").strip().strip("/")
        try:
            cleaned["source"] = str(parse_address(str(Address(scheme, bucket, prefix, **options))))
        except PruneError as error:
            words = str(error)
            field = "endpoint" if "endpoint" in words else "region" if "region" in words else "bucket"
            self.add_error("folder" if words.startswith("The prefix") else field, told(error))

    def about_place(self) -> list[forms.BoundField]:
        """Return the fields that say where it is, and who we are there."""
        return [self[name] for name in self.shown]
