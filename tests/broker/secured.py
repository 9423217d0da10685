"""Listeners that ask who is there: SASL/PLAIN, and TLS with a certificate that nobody but the tests trusts."""

import subprocess
from pathlib import Path

from tests.broker.runtime import java

USER, PASSWORD = "vigil", "the-right-one"
_STORE_PASSWORD = "of-the-keystore"  # noqa: S105 - it opens a file of this test

_PROPERTIES = """\
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_{user}="{password}";
listener.name.tls.ssl.keystore.type=PKCS12
listener.name.tls.ssl.keystore.location={store}
listener.name.tls.ssl.keystore.password={store_password}
listener.name.tls.ssl.key.password={store_password}
"""


class Secured:
    """Where the two listen, and the certificate (PEM) to trust."""

    def __init__(self, folder: Path, sasl_port: int, tls_port: int) -> None:
        self.sasl, self.tls = f"127.0.0.1:{sasl_port}", f"127.0.0.1:{tls_port}"
        self.certificate = folder / "certificate.pem"
        self._store = folder / "keystore.p12"
        self.listeners = f",SASL://{self.sasl},TLS://{self.tls}"

    def properties(self) -> str:
        """What the broker has to be told; makes the key."""
        self._make_key()
        return _PROPERTIES.format(user=USER, password=PASSWORD, store=self._store, store_password=_STORE_PASSWORD)

    def _make_key(self) -> None:
        keytool = str(Path(java()).resolve().with_name("keytool"))
        store = ["-keystore", str(self._store), "-storepass", _STORE_PASSWORD, "-alias", "broker"]
        about = ["-keyalg", "EC", "-dname", "CN=broker", "-ext", "SAN=ip:127.0.0.1", "-validity", "30"]
        subprocess.run([keytool, "-genkeypair", *store, *about], check=True, capture_output=True)
        exported = subprocess.run([keytool, "-exportcert", "-rfc", *store], check=True, capture_output=True)
        self.certificate.write_bytes(exported.stdout)
