"""Finding things in every registry."""

import re

import pytest

from registryui.models import TagSighting
from registryui.services.search import MOST_SHOWN, search
from tests.stores import V2Store, age
from tests.web.conftest import watched

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(tmp_path):
    """Two registries: one with a base and what is built on it, one with another repository of a like name."""
    one, other = V2Store(tmp_path / "one"), V2Store(tmp_path / "other")
    base = [one.layer(100)]
    one.image("base/debian", "12", layers=base)
    for number in range(30):
        one.image("shop/web", f"v{number}", layers=[*base, one.layer(10)])
    other.image("lab/web-test", "v1", "percent%", layers=[other.layer(10)])
    age(tmp_path)
    return watched(one.source, "one"), watched(other.source, "other")


def test_repositories_and_tags_are_found_in_every_registry(two):
    found = search("web")
    assert [(row.registry.slug, row.name) for row in found.repositories.rows] == [
        ("other", "lab/web-test"),
        ("one", "shop/web"),
    ]
    assert found.tags.found == 0
    tags = search("V1").tags
    assert tags.found == 12  # v1, v10 … v19, and the other registry's
    assert {row.tag for row in tags.rows} == {"v1", *(f"v{number}" for number in range(10, 20))}


def test_a_name_with_a_tag_finds_the_tag_of_that_repository(two):
    assert [row.repository.name for row in search("lab/web:v1").tags.rows] == ["lab/web-test"]


def test_more_is_counted_than_shown(two):
    tags = search("v").tags
    assert (len(tags.rows), tags.found) == (MOST_SHOWN, 31)


def test_a_digest_is_found_by_its_first_digits_with_and_without_the_algorithm(two):
    digest = TagSighting.objects.get(repository__name="base/debian").digest
    for q in (digest, digest[:20], digest[7:17], digest[7:17].upper()):
        assert [row.digest for row in search(q).images.rows] == [digest], q
    assert search(digest[7:10]).images.found == 0  # too short
    assert search("sha256:xyz1").images.found == 0


def test_labels_are_found_by_value_and_by_name(two):
    label = TagSighting.objects.get(repository__name="base/debian").image.labels.get()
    assert label.name == "number"
    assert label.image_id in {row.image_id for row in search(f"number={label.value}").labels.rows}
    assert label.image_id in {row.image_id for row in search(label.value).labels.rows}
    assert search(f"other={label.value}").labels.found == 0


def test_base_images_say_how_many_are_based_on_them(two):
    (base,) = search("debian").bases.rows
    assert (base.repository.name, base.image.dependents) == ("base/debian", 30)
    assert search("base/debian:12").bases.found == 1
    assert search("shop/web").bases.found == 0


def test_signs_with_a_meaning_in_the_database_are_only_text(two):
    assert search("%").tags.found == 1
    assert search("_").tags.found == 0
    assert search("\\").tags.found == 0


def test_what_is_gone_is_not_found(two):
    from django.utils import timezone

    TagSighting.objects.filter(repository__name="lab/web-test", tag="v1").update(ended_at=timezone.now())
    assert search("lab/web-test:v1").tags.found == 0


def test_the_page(two, client_of):
    client = client_of("viewer")
    assert "Names of repositories" in client.get("/search/").content.decode()
    assert "Nothing in any registry" in client.get("/search/?q=zzz").content.decode()
    text = client.get("/search/?q=v").content.decode()
    assert f"{MOST_SHOWN} of 31" in text
    assert "<script>" not in client.get("/search/?q=<script>alert(1)</script>").content.decode()
    assert re.search(r'id="find"[^>]*aria-keyshortcuts="/"', text)
