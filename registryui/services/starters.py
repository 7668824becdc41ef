"""Policies to start from, and the common cases as a form would write them."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

HEAD = "# Nothing goes unless a delete rule matches it and no protect or keep rule does. Order never matters.\n"


class Starter(NamedTuple):
    """A policy that a person can take and change."""

    slug: str
    title: str | Promise
    about: str | Promise
    text: str


STARTERS = (
    Starter(
        "few",
        _("Keep the newest few"),
        _("The ten newest images of each repository stay, latest and versions too."),
        HEAD
        + """protect:
  - {id: named, tag: 'latest|stable|v?\\d+\\.\\d+\\.\\d+'}
keep:
  - {id: newest, newest: {n: 10, by: pushed}}
delete:
  - {id: old, tag: '.*', older_than: {age: 30d, by: pushed}}
guards: {min_tags_left: 1, max_fraction: 0.5, max_count: 5000}
""",
    ),
    Starter(
        "branches",
        _("Builds of branches and pull requests"),
        _("Builds of pull requests go after two weeks, those of main stay ten deep, releases stay for good."),
        HEAD
        + """protect:
  - {id: releases, semver: {prerelease: exclude}}
  - {id: latest, tag: latest}
  - {id: running, in_use: true}
keep:
  - {id: main, tag: '(main|master)-.*', newest: {n: 10, by: pushed, group_by: '(main|master)-.*'}}
delete:
  - {id: pull-requests, tag: 'pr-.*', older_than: {age: 14d, by: pushed}}
  - {id: branches, tag: '(main|master|feature)-.*', older_than: {age: 30d, by: pushed}}
guards: {min_tags_left: 1, max_fraction: 0.3, max_count: 5000}
""",
    ),
    Starter(
        "releases",
        _("Releases, a few of each line"),
        _("Of each minor version the three highest patches stay; pre-releases go after a month."),
        HEAD
        + """protect:
  - {id: latest, tag: 'latest|stable'}
keep:
  - {id: lines, semver: {newest: 3, per: minor, prerelease: exclude}}
delete:
  - {id: patches, semver: {prerelease: exclude}, older_than: {age: 90d, by: pushed}}
  - {id: pre-releases, semver: {prerelease: only}, older_than: {age: 30d, by: pushed}}
guards: {min_tags_left: 1, max_fraction: 0.3, max_count: 5000}
""",
    ),
    Starter(
        "untagged",
        _("Only what lost its tag"),
        _("Manifests without a tag go a week after they lost it; no tag ever goes."),
        HEAD
        + """delete:
  - {id: untagged, untagged: true, older_than: {age: 7d, by: untagged_at}}
guards: {max_count: 5000}
""",
    ),
)


class Cases(NamedTuple):
    """The common cases; what is ``None`` or false is left out. Ages are days."""

    repositories: str = "**"
    latest: bool = True
    in_use: bool = True
    newest: int | None = None
    newer: int | None = None
    versions: int | None = None
    older: int | None = None
    untagged: int | None = None
    cron: str = ""
    tz: str = "UTC"


def written(cases: Cases) -> str:
    """Return the policy for some common cases, as a person would write it."""
    protect, keep, delete = [], [], []
    if cases.latest:
        protect.append("{id: latest, tag: latest}")
    if cases.in_use:
        protect.append("{id: running, in_use: true}")
    if cases.newest:
        keep.append(f"{{id: newest, newest: {{n: {cases.newest}, by: pushed}}}}")
    if cases.newer:
        keep.append(f"{{id: young, newer_than: {{age: {cases.newer}d, by: pushed}}}}")
    if cases.versions:
        keep.append(f"{{id: versions, semver: {{newest: {cases.versions}, per: minor, prerelease: exclude}}}}")
    if cases.older:
        delete.append(f"{{id: old, tag: '.*', older_than: {{age: {cases.older}d, by: pushed}}}}")
    if cases.untagged:
        delete.append(f"{{id: untagged, untagged: true, older_than: {{age: {cases.untagged}d, by: untagged_at}}}}")
    text = HEAD
    globs = cases.repositories.replace(",", " ").split()
    if globs and globs != ["**"]:
        text += f"scope: {{include: [{', '.join(_quoted(glob) for glob in globs)}]}}\n"
    for section, rules in (("protect", protect), ("keep", keep), ("delete", delete)):
        if rules:
            text += f"{section}:\n" + "".join(f"  - {rule}\n" for rule in rules)
    text += "guards: {min_tags_left: 1, max_fraction: 0.3, max_count: 5000}\n"
    if cases.cron.strip():
        text += f"schedule: {{cron: {_quoted(cases.cron.strip())}, tz: {_quoted(cases.tz.strip())}}}\n"
    return text


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
