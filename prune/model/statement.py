"""What is attached to an image, read for people: bills of materials (SPDX, CycloneDX), in-toto statements, cosign's
signatures. Nothing is verified here: this is what the documents say of themselves."""

import base64
import binascii
from typing import Any

import msgspec

from prune.model.errors import Unreadable

#: Packages listed of one bill of materials; the count says how many there are.
MOST_PACKAGES = 1000
MAX_STATEMENT_BYTES = 32 * 1024 * 1024


class Package(msgspec.Struct, frozen=True, order=True):
    """One package of a bill of materials."""

    name: str
    version: str = ""
    licence: str = ""


class Statement(msgspec.Struct, frozen=True):
    """``kind`` in words, ``facts`` as pairs of a name and a text, the first packages and how many there are."""

    kind: str
    facts: tuple[tuple[str, str], ...] = ()
    packages: tuple[Package, ...] = ()
    count: int = 0


def read_statement(body: bytes) -> Statement:
    """Return what a document says; raise ``Unreadable`` when it is none of the known ones."""
    if len(body) > MAX_STATEMENT_BYTES:
        raise Unreadable(f"is larger than {MAX_STATEMENT_BYTES} bytes")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable("is not a JSON document") from None
    if not isinstance(document, dict):
        raise Unreadable("is no JSON object")
    return _read(document)


def _read(document: dict[str, Any]) -> Statement:
    if isinstance(document.get("dsseEnvelope"), dict):  # a bundle of sigstore
        document = document["dsseEnvelope"]
    if isinstance(document.get("payload"), str):
        return _envelope(document)
    if "spdxVersion" in document:
        return _spdx(document)
    if document.get("bomFormat") == "CycloneDX":
        return _cyclonedx(document)
    if "predicateType" in document:
        return _in_toto(document)
    critical = document.get("critical")
    if isinstance(critical, dict):
        return _signature(critical, document)
    raise Unreadable("is of a kind that is not known here")


def _envelope(document: dict[str, Any]) -> Statement:
    try:
        inner = msgspec.json.decode(base64.b64decode(document["payload"], validate=False))
    except (binascii.Error, ValueError, msgspec.DecodeError, RecursionError):
        raise Unreadable("has a payload that cannot be read") from None
    if not isinstance(inner, dict) or "payload" in inner:
        raise Unreadable("has a payload that cannot be read")
    found = _read(inner)
    signatures = document.get("signatures")
    number = len(signatures) if isinstance(signatures, list) else 0
    return msgspec.structs.replace(found, facts=(*found.facts, ("Signatures", str(number))))


def _spdx(document: dict[str, Any]) -> Statement:
    creators = _dig(document, "creationInfo", "creators")
    rows = [
        Package(_text(one.get("name")), _text(one.get("versionInfo")), _licence(one))
        for one in _objects(document.get("packages"))
    ]
    facts = [
        ("Format", _text(document.get("spdxVersion"))),
        ("Name", _text(document.get("name"))),
        ("Created", _text(_dig(document, "creationInfo", "created"))),
        ("By", ", ".join(one for one in creators if isinstance(one, str)) if isinstance(creators, list) else ""),
    ]
    return _bill(facts, rows)


def _licence(package: dict[str, Any]) -> str:
    for key in ("licenseConcluded", "licenseDeclared"):
        said = _text(package.get(key))
        if said and said != "NOASSERTION":
            return said
    return ""


def _cyclonedx(document: dict[str, Any]) -> Statement:
    rows = []
    for one in _objects(document.get("components")):
        licences = [
            _text(_dig(said, "license", "id"))
            or _text(_dig(said, "license", "name"))
            or _text(said.get("expression"))
            for said in _objects(one.get("licenses"))
        ]
        rows.append(Package(_text(one.get("name")), _text(one.get("version")), ", ".join(filter(None, licences))))
    about = _dig(document, "metadata", "component")
    name = _text(about.get("name")) if isinstance(about, dict) else ""
    facts = [
        ("Format", f"CycloneDX {_text(document.get('specVersion'))}".strip()),
        ("Name", name),
        ("Created", _text(_dig(document, "metadata", "timestamp"))),
    ]
    return _bill(facts, rows)


def _bill(facts: list[tuple[str, str]], rows: list[Package]) -> Statement:
    named = sorted(row for row in rows if row.name)
    return Statement("bill of materials", _said(facts), tuple(named[:MOST_PACKAGES]), len(named))


def _in_toto(document: dict[str, Any]) -> Statement:
    predicate, kind = document.get("predicate"), _text(document.get("predicateType"))
    predicate = predicate if isinstance(predicate, dict) else {}
    subjects = [_subject(one) for one in _objects(document.get("subject"))]
    about = [("About", ", ".join(filter(None, subjects[:5]))), ("Predicate", kind)]
    if "spdxVersion" in predicate or predicate.get("bomFormat") == "CycloneDX":
        found = _read(predicate)
        return msgspec.structs.replace(found, facts=(*_said(about), *found.facts))
    builder = _dig(predicate, "builder", "id") or _dig(predicate, "runDetails", "builder", "id")
    build = predicate.get("buildType") or _dig(predicate, "buildDefinition", "buildType")
    materials = predicate.get("materials") or _dig(predicate, "buildDefinition", "resolvedDependencies")
    source = [_text(one.get("uri")) for one in _objects(materials)]
    facts = [
        *about,
        ("Builder", _text(builder)),
        ("Kind of build", _text(build)),
        ("Made from", ", ".join(filter(None, source[:10]))),
        ("Finished", _text(_dig(predicate, "metadata", "buildFinishedOn"))),
    ]
    return Statement("provenance" if "provenance" in kind.lower() else "attestation", _said(facts))


def _subject(one: dict[str, Any]) -> str:
    digests = one.get("digest")
    digest = (
        next((f"{k}:{v}" for k, v in digests.items() if isinstance(v, str)), "") if isinstance(digests, dict) else ""
    )
    return f"{_text(one.get('name'))} {digest}".strip()


def _signature(critical: dict[str, Any], document: dict[str, Any]) -> Statement:
    optional = document.get("optional")
    said = [(key, _text(value)) for key, value in optional.items()] if isinstance(optional, dict) else []
    facts = [
        ("Type", _text(critical.get("type"))),
        ("Signs", _text(_dig(critical, "image", "docker-manifest-digest"))),
        ("As", _text(_dig(critical, "identity", "docker-reference"))),
        *said[:20],
    ]
    return Statement("signature", _said(facts))


def _said(facts: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name[:100], text[:1000]) for name, text in facts if text)


def _dig(document: Any, *keys: str) -> Any:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _objects(value: object) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
