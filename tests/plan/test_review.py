"""What a reviewer is shown first."""

import pytest

from prune.plan.review import DAY, LARGE_BYTES, Facts, signals


def said(**facts) -> str:
    return "; ".join(signal.text for signal in signals(Facts(**facts)))


@pytest.mark.parametrize("tag", ["latest", "stable", "v2-latest", "PROD", "app_live"])
def test_names_that_move_stand_out_most(tag):
    (first, *_) = signals(Facts(tag=tag, attached=("signature",)))
    assert first.weight == 5
    assert tag in first.text


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "release-1.2.3", "1.2.3+build"])
def test_releases_stand_out(tag):
    assert "release" in said(tag=tag)


@pytest.mark.parametrize("tag", ["", "main-00123", "pr-7", "1", "1.2.3-rc1", "latest-thing", "sha256-ab.sig"])
def test_what_comes_and_goes_does_not(tag):
    assert signals(Facts(tag=tag)) == ()


def test_how_fresh_it_was():
    assert "on the day of the scan" in said(pushed=100 * DAY, scanned=100 * DAY + 60)
    assert "6 days before" in said(pushed=94 * DAY, scanned=100 * DAY)
    assert said(pushed=90 * DAY, scanned=100 * DAY) == ""
    assert said(pushed=101 * DAY, scanned=100 * DAY) == ""  # a clock that is wrong says nothing


def test_what_others_need_of_it():
    assert "1 image is directly based on it" in said(dependents=1)
    assert "1,200 images are" in said(dependents=1200)
    assert "it is signed" in said(attached=("sbom", "signature"))
    assert "nothing newer" in said(newest=True)
    assert "no tag of its repository is left" in said(emptied=True)


def test_one_that_frees_far_more_than_the_rest():
    assert "far more" in said(own=20 * LARGE_BYTES, usual=LARGE_BYTES)
    assert said(own=5 * LARGE_BYTES, usual=LARGE_BYTES) == ""
    assert said(own=LARGE_BYTES // 2, usual=1) == ""


def test_what_only_informs_has_no_weight():
    (one,) = signals(Facts(elsewhere=("a:1", "b:1", "c:1", "d:1")))
    assert (one.weight, one.text) == (0, "the same image stays as a:1, b:1, c:1")
