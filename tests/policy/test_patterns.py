"""Many patterns at once, also when the machine has no memory left for it."""

import pytest

from prune.model.errors import UsageError
from prune.policy.patterns import Globs, PatternSet, compile_glob, compile_pattern

PATTERNS = ["a.*", ".*b", "ab", "x"]


def test_every_pattern_that_matches_the_whole_is_found():
    patterns = PatternSet(PATTERNS)
    assert [patterns.matching(text) for text in ("ab", "a", "cb", "x", "xy", "")] == [
        (0, 1, 2),
        (0,),
        (1,),
        (3,),
        (),
        (),
    ]
    assert PatternSet(["a"]).matching("a") == (0,)
    assert PatternSet([]).matching("a") == ()


class Exhausted:
    """A set that ran out of memory says that nothing matches: not a keep rule either."""

    def Match(self, text: str) -> list[int]:
        return []


def test_a_set_without_memory_loses_no_match():
    patterns = PatternSet(PATTERNS)
    patterns._set = Exhausted()
    assert [patterns.matching(text) for text in ("ab", "cb", "xy")] == [(0, 1, 2), (1,), ()]


def test_a_thousand_patterns():
    patterns = PatternSet([f"(main|dev)-{number}-.*" for number in range(1000)])
    assert patterns.matching("dev-777-x") == (777,)


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        ("team/*", "team/a", "team/a/b"),
        ("team/**", "team/a/b", "team"),
        ("**", "a/b/c", None),
        ("**/base", "a/b/base", "a/base/x"),
        ("a/**/z", "a/z", "a/z/b"),
        ("lib*", "library", "library/x"),
        ("localhost:5000/*", "localhost:5000/a", "localhost:5000/a/b"),
    ],
)
def test_globs(glob, inside, outside):
    assert compile_glob(glob).fullmatch(inside)
    assert outside is None or not compile_glob(glob).fullmatch(outside)
    assert inside in Globs([glob], [])
    assert inside not in Globs([], [glob])


def test_a_glob_of_many_stars_takes_linear_time():
    assert not compile_glob("**a" * 80).fullmatch("a" * 79 + "b" * 170)


@pytest.mark.parametrize("text", ["", " ", "(", "a{1001}", "x" * 1001])
def test_what_is_no_pattern_is_wrong_use(text):
    with pytest.raises(UsageError):
        compile_pattern(text)
