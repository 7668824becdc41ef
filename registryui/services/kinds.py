"""What each kind of registry is called on the pages, and what there is to know about its bytes, undo and control."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Words(NamedTuple):
    """``about`` stands on the registry's page, ``running`` where a cleanup is started that needs nobody's word,
    ``undo`` where it can be undone (``{until}`` is the day), ``emptying`` where that ends (``{size}`` are bytes).
    ``sweeps_names``: a sweep may choose about left-over uploads and empty repositories.
    ``images``: it has images that are based on each other, in place of manifests."""

    name: str | Promise
    about: str | Promise = ""
    running: str | Promise = ""
    undo: str | Promise = _("Everything this cleanup took away lies in the trash of the registry until {until}.")
    emptying: str | Promise = _("The disk gets {size} back, and there is no way back for these images.")
    sweeps: bool = True
    sweeps_names: bool = False
    images: bool = False


KINDS: dict[str, Words] = {
    "storage-v2": Words(_("V2 storage"), sweeps_names=True),
    "storage-v1": Words(_("V1 storage"), images=True),
    "registry-v2": Words(
        _("registry API"),
        _("Over its API a registry shows neither untagged manifests nor blobs that nothing references. After a "
        "cleanup the disk gets its bytes back when the registry collects its garbage: `registry "
        "garbage-collect config.yml`, while nobody pushes. Until then a cleanup can be undone."),
        _("The registry deletes for us, one manifest at a time; pushes and pulls may go on."),
        _("The manifests that this cleanup deleted are kept here until {until}, and can be pushed again as long "
        "as their layers are there: **until the registry's next garbage collection**, whatever comes first. "
        "That is also what gives the disk its bytes back: `registry garbage-collect config.yml`, while nobody "
        "pushes."),
        _("The manifests that are kept here are removed, and there is no way back for these images."),
        sweeps=False,
    ),
    "registry-v1": Words(
        _("V1 registry API"),
        _("The API of a V1 registry takes tags and repositories away and never an image: all of them stay on "
        "its disk, and a cleanup frees nothing. What no tag leads to is shown only as far as the registry "
        "lists it. To free bytes, add the registry's storage as one more registry here, and clean that."),
        _("The registry deletes for us, one tag at a time; pushes and pulls may go on. No image is deleted."),
        _("The tags that this cleanup took away can be set again until {until}, as long as their images are on "
        "the registry's disk."),
        _("What is remembered of these tags is removed, and they cannot be set again. It frees nothing: the "
        "images stay on the registry's disk."),
        sweeps=False,
        images=True,
    ),
    "oci-layout": Words(
        _("OCI layout"),
        _("A folder of images with one index of their names. Names and manifests that go leave by a new index, "
        "written in one piece; nothing else may write to the folder meanwhile."),
        undo=_("Everything this cleanup took away lies in the trash of the layout, in its own folder, until {until}. "
        "Undo puts the very same index back, or adds to it what went when something was written since."),
    ),
    "docker-engine": Words(
        _("Docker Engine"),
        _("An image that a container uses, running or not, stays with its last name. Bytes are the layers that "
        "no other image has, as the engine counts them."),
        _("The engine deletes for us, and refuses what a container uses or another image is based on; it goes "
        "on working meanwhile. A copy of what goes is saved first."),
        _("A copy of the images that this cleanup took away is kept here until {until}. Undo loads them again: "
        "they have the same ids and tags; references by digest come back with the next pull."),
        _("The copy of these images that is kept here is removed, and there is no way back for them."),
        images=True,
    ),
}  # fmt: skip


def words_of(kind: str) -> Words:
    """Return the words for a kind; before it was looked at it is unknown."""
    return KINDS.get(kind) or Words(kind)
