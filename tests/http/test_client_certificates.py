"""A registry that lets in only who shows a certificate."""

import pytest
import trustme

from prune.cli import main
from prune.model.errors import SourceError
from prune.sources.credentials import Access, Credentials
from prune.sources.open import open_source
from tests.servers import Registry

pytestmark = pytest.mark.real


class Certified(Registry):
    """Over TLS, for clients of its CA only."""

    def __init__(self, folder) -> None:
        self.authority = trustme.CA()
        certificate = self.authority.issue_cert("127.0.0.1")
        self.authority.cert_pem.write_to_path(folder / "ca.pem")
        certificate.private_key_pem.write_to_path(folder / "server.key")
        certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
        self.mine = self.authority.issue_cert("operator@example.com")
        extra = f"""  tls:
    certificate: {folder}/server.pem
    key: {folder}/server.key
    clientcas: [{folder}/ca.pem]
"""
        super().__init__(folder / "store", folder, extra=extra)

    def get(self, path):
        return 401, b""  # nobody without a certificate sees more than that it is there


@pytest.fixture
def certified(tmp_path):
    server = Certified(tmp_path)
    server.start()
    yield server
    server.stop()


def test_files_for_the_command(certified, tmp_path, monkeypatch, capsys):
    address = f"https://{certified.host}"
    monkeypatch.setenv("PRUNE_CA_FILE", str(tmp_path / "ca.pem"))
    assert main(["scan", address]) == 1
    assert "PRUNE_CLIENT_CERTIFICATE" in capsys.readouterr().err
    certified.mine.private_key_pem.write_to_path(tmp_path / "me.key")
    certified.mine.cert_chain_pems[0].write_to_path(tmp_path / "me.pem")
    monkeypatch.setenv("PRUNE_CLIENT_CERTIFICATE", str(tmp_path / "me.pem"))
    monkeypatch.setenv("PRUNE_CLIENT_KEY", str(tmp_path / "me.key"))
    assert main(["scan", address]) == 0


def test_text_for_the_dashboard(certified, tmp_path):
    pem = certified.mine.private_key_and_cert_chain_pem.bytes().decode()
    access = Access(Credentials(client_pem=pem), ca_file=str(tmp_path / "ca.pem"))
    assert open_source(f"https://{certified.host}", access=access).scan().complete
    assert "PRIVATE" not in repr(access.credentials)
    broken = Access(Credentials(client_pem=pem.replace("A", "B")), ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(SourceError, match="cannot be read") as error:
        open_source(f"https://{certified.host}", access=broken).scan()
    assert "PRIVATE" not in str(error.value)
