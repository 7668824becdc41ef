"""Sentences that are kept in English, or that the engine makes, in the language of whoever reads them.

The engine has its reasons in words, and plans, runs and the record keep them so. A page recognises the form of a
sentence and says the same by its translation; what it does not recognise it shows as it is, marked as English. Some
of the engine's sentences are put together by a grammar of their own (why a policy decides as it does), and stay.
"""

import re
from functools import lru_cache

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

#: Values that are sentences or lists of names themselves.
SAID, LISTS = ("why",), ("names",)
#: Longer ones are lists of files or what another program said.
LONGEST = 2000

FORMS = (
    # why something is garbage
    _("only %(image)s needs it, and no tag leads there"),
    _("a manifest to which no tag leads"),
    _("no manifest needs it"),
    # why something stays
    _("%(names)s points to it"),
    _("%(names)s point to it"),
    _("%(names)s contains it"),
    _("%(names)s contain it"),
    _("%(names)s needs it"),
    _("%(names)s need it"),
    _("%(image)s is based on it, though no tag points to that image"),
    _("%(image)s is based on it, and %(names)s points to %(tip)s, which is based on %(base)s"),
    _("%(image)s is based on it, and %(names)s point to %(tip)s, which is based on %(base)s"),
    _("%(image)s is based on it and %(names)s points to %(tip)s"),
    _("%(image)s is based on it and %(names)s point to %(tip)s"),
    _("%(image)s is based on it; with its last name the engine would delete it and free nothing"),
    _("%(image)s is based on it"),
    _("the container %(names)s uses it, and this is its last name"),
    _("the containers %(names)s use it, and this is its last name"),
    _("the container %(names)s uses it"),
    _("the containers %(names)s use it"),
    _("it belongs to %(image)s, which stays"),
    _("what it belongs to stays"),
    _("a push that is not finished may need it (its link is younger than the grace window)"),
    _("a push that is not finished may need it"),
    _("its files are not in this store"),
    _("it is marked as being uploaded"),
    _("it is known as %(name)s"),
    _("no request to a V1 registry deletes an image: it stays on the disk"),
    _("something in this store could not be read, so no image may go"),
    _("something in this registry could not be read, so no blob may go"),
    # why something was refused, or skipped
    _("nothing in this registry may be deleted: %(problem)s"),
    _("there is no repository %(name)s here"),
    _("%(name)s could not be read completely, so nothing of it may go: %(problem)s"),
    _("%(name)s has no tag %(tag)s"),
    _("%(name)s has no manifest %(digest)s"),
    _("%(ref)s: %(image)s stays: %(why)s"),
    _("%(image)s stays: %(why)s"),
    _("a V1 registry has no manifests; name a tag"),
    _("a sweep is about every repository"),
    _("its repository is gone already"),
    _("its repository could not be read completely"),
    _("it is gone already"),
    _("it was moved: it now points at %(image)s"),
    _("its image is needed now"),
    _("it has another name now, or something uses it"),
    _("an image that stays is based on it"),
    _("an image that stays needs it"),
    _("another manifest refers to it now"),
    _("a tag refers to it now, or an image that stays is based on it"),
    _("a tag, an index or what it belongs to holds it now"),
    _("it was pushed again and is younger than the grace window"),
    _("it has a new or another signature or attachment"),
    _("something in the store could not be read, so no image may go"),
    _("something in the store could not be read, so no blob may go"),
    _("it has been written to since"),
    _("it holds something that is not in the plan"),
    _("it is being uploaded"),
    _("it has another size than planned"),
    # what spoke for keeping
    _("people pull “%(tag)s” without knowing what it points at"),
    _("its name looks like a release"),
    _("nothing newer was pushed to its repository"),
    _("it was pushed on the day of the scan"),
    _("it was pushed a day before the scan"),
    _("it was pushed %(days)s days before the scan"),
    _("1 image is directly based on it; what they need of it stays"),
    _("%(number)s images are directly based on it; what they need of it stays"),
    _("no tag of its repository is left"),
    _("it is signed"),
    _("it alone frees far more than the others"),
    _("the same image stays as %(names)s"),
    # what guards say
    _("%(names)s would be left with fewer than %(number)s tag."),
    _("%(names)s would be left with fewer than %(number)s tags."),
    _("%(lost)s of %(number)s tag would go, more than %(most)s."),
    _("%(lost)s of %(number)s tags would go, more than %(most)s."),
    _("%(number)s tag or manifest would go, more than %(most)s."),
    _("%(number)s tags and manifests would go, more than %(most)s."),
    _("The scan is %(hours)s hours old, more than %(most)s; scan again."),
    # what runs of policies came to
    _("%(number)s tag or manifest would have gone."),
    _("%(number)s tags and manifests would have gone."),
    _("Nothing has to go."),
    _("Nothing of what the rules let go can go."),
    _("A person has to approve it."),
    _("The version was not the active one any more."),
    _("A standing approval approves it; an admin starts the cleanup."),
    _("A standing approval approves it, and its cleanup has begun."),
    _("A standing approval approves it, and an admin has to start it: %(why)s"),
    # what a registry can do
    _("It lists its repositories."),
    _("It takes pushes."),
    _("It deletes manifests."),
    _("It deletes tags by their name."),
    _("It lists what refers to an image."),
    _("It is read-only, so nothing can be deleted, and no cleanup can be undone."),
    _("It does not delete, so a cleanup fails before it begins."),
    _("It does not let these credentials delete, so a cleanup fails before it begins."),
    _("Give credentials that may delete (scope repository:NAME:delete)."),
    _("Distribution deletes tags by name from version 3 on."),
    _("It keeps no index of its repositories, so only those that you name are read."),
    _("It deletes tags and repositories; images stay on its disk."),
    _("It does not let us delete tags, so a cleanup fails before anything is deleted."),
    _("Give credentials that may delete, and let whatever stands before it pass DELETE requests on."),
    _("This could not be found out."),
    # what went wrong
    _("The registry could not be read: %(reason)s."),
    _("The registry could not be reached: %(reason)s."),
    _("This plan was carried out before."),
    _("This run was restored before."),
    _("Nothing of this plan holds any more; make a new one. For instance %(item)s: %(why)s."),
    _("Nothing of this plan holds any more; make a new one."),
    _("%(reason)s. Nothing is lost: put that right and apply again."),
    _("References by digest come back with the next pull of these images."),
    # how far something is
    _("reading images"),
    _("reading repositories"),
    _("reading repositories (%(number)s tags)"),
    _("reading manifests"),
    _("reading blobs (MB)"),
    _("reading the catalog"),
    _("reading the links of layers"),
    _("looking for repositories"),
    _("listing blobs"),
    _("putting it together"),
    _("asking for blobs"),
    _("moving to the trash"),
    _("putting back"),
    _("pushing again"),
    _("tagging again"),
    _("saving the images that go"),
    _("deleting images"),
    _("deleting"),
    _("untagging"),
    _("loading images"),
    _("naming images"),
    # what attached documents say of themselves
    _("Format"),
    _("Name"),
    _("Created"),
    _("By"),
    _("About"),
    _("Predicate"),
    _("Signatures"),
    _("Type"),
    _("Builder"),
    _("Kind of build"),
    _("Made from"),
    _("Finished"),
    _("Signs"),
    _("As"),
    _("provenance"),
)


def said(text: str) -> str:
    """Return a sentence in the language of the request, as far as it is recognised; otherwise as it is."""
    if not text or len(text) > LONGEST or (get_language() or "en").startswith("en"):
        return text
    whole = gettext(text)
    if whole != text:
        return whole
    form, values = _recognised(text)
    if not form:
        return text
    return gettext(form) % {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: str) -> str:
    if name in SAID:
        return said(value)
    if name not in LISTS:
        return value
    if more := re.fullmatch(r"(.+) and (\d+) more", value):
        return gettext("%(names)s and %(number)d more") % {"names": more[1], "number": int(more[2])}
    if more := re.fullmatch(r"(.+) and (\S+)", value):
        return gettext("%(names)s and %(last)s") % {"names": more[1], "last": more[2]}
    return value


@lru_cache(maxsize=4096)
def _recognised(text: str) -> tuple[str, dict[str, str]]:
    for form, pattern in _patterns():
        if found := pattern.fullmatch(text):
            return form, found.groupdict()
    return "", {}


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Return the forms that have values, each with what recognises it; the others are messages as they stand."""
    made = []
    for form in FORMS:
        if "%(" in form:
            parts = re.split(r"%\((\w+)\)s", form)
            pattern = "".join(
                f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
            )
            made.append((form, re.compile(pattern, re.S)))
    return made
