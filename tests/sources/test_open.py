"""SOURCE strings."""

import pytest

from prune.model.errors import SourceError, UsageError
from prune.sources.open import open_source
from tests.stores import V1Store, V2Store


@pytest.mark.parametrize("text", ["", "storage:", "storage", "/path", "ftp://host", "nonsense:x", "storage:a\0b"])
def test_what_is_no_source_is_wrong_use(text):
    with pytest.raises(UsageError, match="SOURCE"):
        open_source(text)


def test_a_folder_that_is_no_registry(tmp_path):
    (tmp_path / "stray").write_text("x")
    for text in (f"storage:{tmp_path}", f"storage:{tmp_path}/none", f"storage:{tmp_path}/stray"):
        with pytest.raises(SourceError):
            open_source(text)


def test_a_folder_that_is_two_registries_at_once(tmp_path):
    V1Store(tmp_path)
    V2Store(tmp_path)
    with pytest.raises(SourceError, match="V1 and a V2"):
        open_source(f"storage:{tmp_path}")


def test_the_name_is_normalised(tmp_path, monkeypatch):
    V2Store(tmp_path)
    monkeypatch.chdir(tmp_path.parent)
    assert open_source(f"storage:./{tmp_path.name}/../{tmp_path.name}/").name == f"storage:{tmp_path}"


def test_a_layout_behind_a_link_is_not_followed(tmp_path):
    V2Store(tmp_path / "real")
    (tmp_path / "fake/docker/registry").mkdir(parents=True)
    (tmp_path / "fake/docker/registry/v2").symlink_to(tmp_path / "real/docker/registry/v2")
    with pytest.raises(SourceError):
        open_source(f"storage:{tmp_path}/fake")
