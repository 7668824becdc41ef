"""What the engine says, read from its source: every text that a person may get to see."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Where a value stands in a text.
GAP = "\0"
#: Two words, or a word beside a value: below that a text is a name or a part of a protocol.
SENTENCE = re.compile(r"[A-Za-z,;:.]{2,} [A-Za-z\0]|\0,? [a-z]{2,}|[a-z] \0")
#: Said to whoever calls a function wrongly.
TO_PROGRAMMERS = {"ValueError", "TypeError", "AssertionError", "RuntimeError"}


def texts_of(node: ast.expr) -> list[str]:
    """Return every text that an expression can become, with a gap for each value."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        return texts_of(node.body) + texts_of(node.orelse)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "counted":
        nouns = [str(one.value) for one in node.args[1:] if isinstance(one, ast.Constant)]
        return [f"{GAP} {nouns[0]}", f"{GAP} {nouns[-1]}" if len(nouns) > 1 else f"{GAP} {nouns[0]}s"]
    if isinstance(node, ast.FormattedValue):
        return texts_of(node.value) if isinstance(node.value, ast.IfExp | ast.Call) else [GAP]
    if isinstance(node, ast.JoinedStr):
        texts = [""]
        for part in node.values:
            texts = [text + more for text in texts for more in texts_of(part)][:50]
        return texts
    return [GAP]


def _silent(tree: ast.AST) -> set[ast.AST]:
    """Return what nobody reads by itself: descriptions, parts of other texts, and what only programmers see."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.update(one for one in ast.walk(node) if one is not node)
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in TO_PROGRAMMERS:
            found.update(ast.walk(node))
    return found


def texts_in(path: Path) -> Iterator[str]:
    """Yield every text of a module, with a gap for each value."""
    tree = ast.parse(path.read_text())
    silent = _silent(tree)
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node not in silent and (text or isinstance(node, ast.JoinedStr)):
            yield from texts_of(node)


def sentences_in(path: Path) -> Iterator[str]:
    """Yield those of the texts of a module that look like words to a person."""
    return (text for text in texts_in(path) if SENTENCE.search(text))
