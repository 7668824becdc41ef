"""However engines and clusters write the name of an image, what it means is found in the report."""

import pytest

from prune.sources.in_use.base import Uses

D = "sha256:" + "d" * 64


@pytest.mark.parametrize(
    ("name", "digests", "references"),
    [
        ("registry.example.com:5000/team/app:1.2", [], ["registry.example.com:5000/team/app:1.2"]),
        ("team/app", [], ["team/app:latest"]),
        ("nginx", [], ["nginx:latest"]),
        ("host.example/app@" + D, [D], []),
        ("host.example/app:1.2@" + D, [D], ["host.example/app:1.2"]),
        ("docker-pullable://host.example/app@" + D, [D], []),
        ("docker://" + D, [D], []),
        (D, [D], []),
        ("d" * 64, [D], []),
        ("[::1]:5000/app:1", [], ["[::1]:5000/app:1"]),
        ("", [], []),
    ],
)
def test_a_name_is_understood(name, digests, references):
    uses = Uses()
    uses.add("web", name)
    report = uses.report("here", 5)
    assert report.complete
    assert (list(report.digests), list(report.references)) == (digests, references)
    assert set(report.users) == {*digests, *references}


@pytest.mark.parametrize("name", ["app@sha256:12", "app:", "a b", "app:1/x y", "UPPER case:1", "app@"])
def test_a_name_that_is_not_understood_makes_the_report_incomplete(name):
    uses = Uses()
    uses.add("web", "fine:1")
    uses.add("odd", name)
    report = uses.report("here", 5)
    assert not report.complete
    assert "odd" in report.problem
    assert report.references == ("fine:1",)


def test_who_uses_it_is_told_once_and_sorted():
    uses = Uses()
    for user in ("b", "a", "b"):
        uses.add(user, "app:1")
    assert uses.report("here", 5).users == {"app:1": ("a", "b")}
