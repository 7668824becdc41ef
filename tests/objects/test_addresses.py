"""Where a bucket is and who we are there: nothing secret in a SOURCE, nobody's keys for somebody else's host."""

import pytest

from prune.cli import main
from prune.model.errors import SourceError, UsageError
from prune.sources.credentials import Access, Credentials
from prune.sources.stores.objects.address import Address, parse_address
from prune.sources.stores.objects.credentials import settings_for
from prune.sources.stores.objects.open import bucket_of
from tests.buckets import KEY, SECRET


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch, tmp_path):
    import os

    for name in [name for name in os.environ if name.startswith(("AWS_", "GOOGLE_", "AZURE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.parametrize(
    ("text", "address", "normal"),
    [
        ("s3://bucket", Address("s3", "bucket"), "s3://bucket"),
        ("s3://bucket/", Address("s3", "bucket"), "s3://bucket"),
        ("gs://my_bucket/a/b/", Address("gs", "my_bucket", "a/b"), "gs://my_bucket/a/b"),
        (
            "s3://b-1/x?region=eu-central-1&endpoint=https://minio.example.com:9000/",
            Address("s3", "b-1", "x", "https://minio.example.com:9000", "eu-central-1"),
            "s3://b-1/x?endpoint=https://minio.example.com:9000&region=eu-central-1",
        ),
        ("az://images?account=acme", Address("az", "images", account="acme"), "az://images?account=acme"),
    ],
)
def test_addresses_are_normalised(text, address, normal):
    assert parse_address(text) == address
    assert str(address) == normal
    assert parse_address(normal) == address


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3://", "not the name of a bucket"),
        ("s3://a b", "not the name of a bucket"),
        (f"s3://{KEY}:{SECRET}@bucket/x", "Credentials do not belong"),
        ("s3://bucket/a//b", "empty segment"),
        ("s3://bucket/../b", "of dots"),
        (f"s3://bucket?secret_access_key={SECRET}", "is not an option"),
        ("s3://bucket?endpoint=minio:9000", "must be like https"),
        (f"s3://bucket?endpoint=https://{KEY}:{SECRET}@host", "do not belong into an endpoint"),
        ("s3://bucket?endpoint=https://host:port", "must be like https"),
        ("s3://bucket?region=a/b", "is not a region"),
        ("gs://bucket?region=eu", "is not an option of gs"),
    ],
)
def test_what_is_malformed_is_said_and_no_secret_repeated(text, words, capsys):
    with pytest.raises(UsageError, match=words) as raised:
        parse_address(text)
    assert SECRET not in str(raised.value)
    assert main(["scan", text]) == 2
    assert SECRET not in capsys.readouterr().err


def test_keys_come_from_the_file_of_the_aws_command(tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text(
        f"[default]\naws_access_key_id = other\naws_secret_access_key = other\n"
        f"[work]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\naws_session_token = t\n"
    )
    address = parse_address("s3://bucket")
    assert settings_for(address, None)["access_key_id"] == "other"
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert settings_for(address, None) == {
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "session_token": "t",
    }
    monkeypatch.setenv("AWS_PROFILE", "none")
    with pytest.raises(SourceError, match="AWS_PROFILE names a profile"):
        settings_for(address, None)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of the environment")
    assert settings_for(address, None) == {}


def test_without_credentials_an_endpoint_is_not_even_asked():
    with pytest.raises(SourceError, match="set AWS_ACCESS_KEY_ID"):
        settings_for(parse_address("s3://bucket?endpoint=http://127.0.0.1:9"), None)


def test_keys_of_the_machine_are_not_used_at_an_endpoint_that_was_typed_in(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    nothing = Credentials()
    assert settings_for(parse_address("s3://bucket"), nothing) == {}
    for text in ("s3://bucket?endpoint=https://host", "gs://bucket?endpoint=https://host"):
        with pytest.raises(SourceError, match="Enter credentials for this endpoint"):
            settings_for(parse_address(text), nothing)
    with pytest.raises(SourceError, match="Enter credentials for this endpoint"):
        settings_for(parse_address("az://images?endpoint=https://host"), Credentials("account"))


def test_entered_keys_go_where_each_cloud_wants_them(monkeypatch):
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    given = settings_for(parse_address("s3://b-1"), Credentials(KEY, SECRET))["credential_provider"]()
    assert given == {"access_key_id": KEY, "secret_access_key": SECRET, "token": None, "expires_at": None}
    azure = parse_address("az://images")
    assert settings_for(azure, Credentials("acme")) == {"account_name": "acme"}
    assert settings_for(azure, Credentials("acme", "a2V5"))["account_key"] == "a2V5"
    assert settings_for(azure, Credentials("acme", "?sv=1&sig=x"))["sas_key"] == "sv=1&sig=x"
    with pytest.raises(SourceError, match="is a JSON document"):
        settings_for(parse_address("gs://b-1"), Credentials("", "secret"))


@pytest.mark.parametrize(
    ("text", "credentials", "shown"),
    [
        ("s3://b-1?endpoint=http://127.0.0.1:9000&region=eu", Credentials(KEY, SECRET), {"region": "eu"}),
        ("az://images?endpoint=http://127.0.0.1:9/acme", Credentials("acme", "a2V5"), {"account_name": "acme"}),
        ("gs://b-1?endpoint=http://127.0.0.1:9", Credentials("", '{"type": "service_account"}'), {}),
    ],
)
def test_addresses_reach_the_store(text, credentials, shown):
    if text.startswith("gs:"):  # a key that is none: said without repeating it
        with pytest.raises(SourceError, match="cannot be opened") as raised:
            bucket_of(parse_address(text), 5, Access(credentials), 1)
        assert "service_account" not in str(raised.value)
        return
    store = bucket_of(parse_address(text), 5, Access(credentials), 1)._store
    assert store.config.items() >= shown.items()
    assert SECRET not in repr(store)


def test_a_host_that_does_not_answer_is_said(monkeypatch, capsys):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    assert main(["scan", "s3://bucket?endpoint=http://127.0.0.1:9", "--timeout", "1"]) == 1
    said = capsys.readouterr().err
    assert "the object store did not answer" in said
    assert SECRET not in said
