"""How an image was built, as its config tells it; and what attached documents say."""

import base64
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prune.model.build import Build, Step, Variable, instruction
from prune.model.errors import Unreadable
from prune.model.statement import MOST_PACKAGES, Package, read_statement


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('/bin/sh -c #(nop)  CMD ["bash"]', 'CMD ["bash"]'),
        ("/bin/sh -c #(nop) ADD file:abc in / ", "ADD file:abc in /"),
        ("/bin/sh -c apt-get update", "RUN apt-get update"),
        ("RUN /bin/sh -c apt-get update # buildkit", "RUN apt-get update"),
        ("|1 VERSION=1.2 /bin/sh -c make $VERSION", "RUN make $VERSION"),
        ("RUN |2 A=1 B=x /bin/bash -o pipefail -c make # buildkit", "RUN make"),
        ("COPY /app /app # buildkit", "COPY /app /app"),
        ("WORKDIR /srv", "WORKDIR /srv"),
        ("bazel build ...", "bazel build ..."),
        ("", ""),
    ],
)
def test_a_step_is_read_as_it_stood_in_the_dockerfile(written, read):
    assert instruction(written) == read


def config(**more) -> bytes:
    return json.dumps({"os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, **more}).encode()


def test_steps_know_which_layer_they_made():
    build = Build.parse(
        config(
            history=[
                {"created_by": "ADD x /", "created": "2026-01-01T00:00:00Z"},
                {"created_by": "ENV A=1", "empty_layer": True},
                {"created_by": "/bin/sh -c make", "comment": "by hand"},
            ]
        )
    )
    assert [step.layer for step in build.steps] == [0, None, 1]
    assert build.steps[2] == Step("RUN make", "", "by hand", 1)


def test_what_it_runs_and_with_what():
    build = Build.parse(
        config(
            author="me",
            config={
                "Env": ["PATH=/bin", "DB_PASSWORD=hunter2", "GITHUB_TOKEN=abc", "EMPTY"],
                "Entrypoint": ["/init"],
                "Cmd": ["serve", "-v"],
                "User": "1000",
                "WorkingDir": "/srv",
                "ExposedPorts": {"80/tcp": {}},
                "Volumes": {"/data": {}},
            },
        )
    )
    assert build.env == (
        Variable("PATH", "/bin"),
        Variable("DB_PASSWORD", None),
        Variable("GITHUB_TOKEN", None),
        Variable("EMPTY", ""),
    )
    assert (build.entrypoint, build.command, build.user) == (("/init",), ("serve", "-v"), "1000")
    assert (build.folder, build.ports, build.volumes, build.author) == ("/srv", ("80/tcp",), ("/data",), "me")


def test_a_v1_image_has_one_step():
    body = json.dumps({"id": "a" * 64, "container_config": {"Cmd": ["/bin/sh", "-c", "apt-get update"]}}).encode()
    assert [step.text for step in Build.parse(body).steps] == ["RUN apt-get update"]


@pytest.mark.parametrize("body", [b"", b"[]", b"nonsense", b"\xff", b"[" * 100_000, b'"text"'])
def test_what_is_no_config_is_unreadable(body):
    with pytest.raises(Unreadable):
        Build.parse(body)
    with pytest.raises(Unreadable):
        read_statement(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["config", "history", "author", "container_config", "Env"]), JSON))
def test_a_config_of_any_form_is_read_or_refused_in_words(document):
    Build.parse(json.dumps(document).encode())


KEYS = ["spdxVersion", "packages", "bomFormat", "components", "predicateType", "predicate", "subject", "payload",
        "critical", "optional", "creationInfo", "signatures", "dsseEnvelope", "metadata"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), JSON | st.sampled_from(["CycloneDX", "SPDX-2.3"])))
def test_a_document_of_any_form_is_read_or_refused_in_words(document):
    with contextlib.suppress(Unreadable):
        read_statement(json.dumps(document).encode())


SPDX = {
    "spdxVersion": "SPDX-2.3",
    "name": "app",
    "creationInfo": {"created": "2026-01-01T00:00:00Z", "creators": ["Tool: syft"]},
    "packages": [
        {"name": "zlib", "versionInfo": "1.3", "licenseConcluded": "NOASSERTION", "licenseDeclared": "Zlib"},
        {"name": "bash", "versionInfo": "5.2", "licenseConcluded": "GPL-3.0-or-later"},
    ],
}


def test_a_bill_of_materials_of_either_kind():
    found = read_statement(json.dumps(SPDX).encode())
    assert found.kind == "bill of materials"
    assert found.packages == (Package("bash", "5.2", "GPL-3.0-or-later"), Package("zlib", "1.3", "Zlib"))
    assert ("By", "Tool: syft") in found.facts
    cyclonedx = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "metadata": {"component": {"name": "app"}},
        "components": [{"name": "bash", "version": "5.2", "licenses": [{"license": {"id": "GPL-3.0"}}]}],
    }
    assert read_statement(json.dumps(cyclonedx).encode()).packages == (Package("bash", "5.2", "GPL-3.0"),)


def test_a_long_one_is_counted_whole_and_shown_in_part():
    packages = [{"name": f"p{number:05}"} for number in range(MOST_PACKAGES + 5)]
    found = read_statement(json.dumps({**SPDX, "packages": packages}).encode())
    assert (len(found.packages), found.count) == (MOST_PACKAGES, MOST_PACKAGES + 5)


def test_what_stands_in_an_envelope():
    statement = {
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "app", "digest": {"sha256": "ab"}}],
        "predicate": {
            "builder": {"id": "https://ci.example"},
            "materials": [{"uri": "git+https://code.example/app"}],
        },
    }
    envelope = {"payload": base64.b64encode(json.dumps(statement).encode()).decode(), "signatures": [{}]}
    for document in (envelope, {"dsseEnvelope": envelope}):
        found = read_statement(json.dumps(document).encode())
        assert found.kind == "provenance"
        assert dict(found.facts) == {
            "About": "app sha256:ab",
            "Predicate": "https://slsa.dev/provenance/v0.2",
            "Builder": "https://ci.example",
            "Made from": "git+https://code.example/app",
            "Signatures": "1",
        }
    inner = {"predicateType": "https://spdx.dev/Document", "subject": [], "predicate": SPDX}
    assert read_statement(json.dumps(inner).encode()).count == 2


def test_a_signature_says_what_it_signs():
    critical = {
        "type": "cosign",
        "image": {"docker-manifest-digest": "sha256:ab"},
        "identity": {"docker-reference": "r"},
    }
    found = read_statement(json.dumps({"critical": critical, "optional": {"by": "me"}}).encode())
    assert dict(found.facts) == {"Type": "cosign", "Signs": "sha256:ab", "As": "r", "by": "me"}
