"""A private Redis that speaks TLS only and wants certificates, made for the test by ``openssl``."""

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

from tests.missing import missing
from tests.servers import RedisServer, binary, free_port


class Certificates:
    """An authority, and a certificate by it for the server and one for clients; another authority that nobody uses."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            missing("no openssl here: apt-get install openssl")
        self.folder = folder
        folder.mkdir()
        self.authority = self._authority("ca")
        self.stranger = self._authority("stranger")
        self.server = self._signed("server", "subjectAltName=IP:127.0.0.1")
        self.client = self._signed("client", "extendedKeyUsage=clientAuth")

    def key(self, certificate: Path) -> Path:
        return certificate.with_suffix(".key")

    def _authority(self, name: str) -> Path:
        path = self.folder / f"{name}.crt"
        self._openssl("req", "-x509", "-days", "2", "-subj", f"/CN={name}", "-out", path, *self._new_key(path))
        return path

    def _signed(self, name: str, extension: str) -> Path:
        path, request, text = (self.folder / f"{name}.{end}" for end in ("crt", "csr", "ext"))
        text.write_text(extension)
        self._openssl("req", "-subj", f"/CN={name}", "-out", request, *self._new_key(path))
        by = ("-CA", self.authority, "-CAkey", self.key(self.authority), "-CAcreateserial")
        self._openssl("x509", "-req", "-in", request, "-days", "2", "-out", path, "-extfile", text, *by)
        return path

    def _new_key(self, path: Path) -> tuple[object, ...]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", self.key(path))

    def _openssl(self, *words: object) -> None:
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


class TlsServer(RedisServer):
    """Its ``port`` is the TLS port; there is no other."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self.options |= {
            "tls_cert_file": certificates.server,
            "tls_key_file": certificates.key(certificates.server),
            "tls_ca_cert_file": certificates.authority,
        }

    def _command(self) -> list[str]:
        self.options |= {"tls_port": self.port}
        return [*super()._command(), "--port", "0"]

    def answers(self) -> bool:
        context = ssl.create_default_context(cafile=self._certificates.authority)
        context.load_cert_chain(self._certificates.client, self._certificates.key(self._certificates.client))
        try:
            plain = socket.create_connection((self.host, self.port), 1)
            with context.wrap_socket(plain, server_hostname=self.host) as link:
                link.sendall(b"PING\r\n")
                return link.recv(100).startswith(b"+PONG")
        except OSError:
            return False


def need_tls(folder: Path) -> None:
    """End the test here if this redis-server was built without TLS."""
    command = [binary(), "--port", "0", "--tls-port", str(free_port()), "--dir", str(folder)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    if "No tls-cert-file configured" not in said:
        missing("this redis-server was built without TLS")
