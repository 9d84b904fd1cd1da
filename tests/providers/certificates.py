"""A key and a certificate for a test, made on the spot, so that no key lies in the repository."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Certificate:
    """A certificate that nobody trusts but who is told to, and its RSA key, as PEM files."""

    path: Path
    key: Path

    def serving(self) -> ssl.SSLContext:
        """For the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.path, self.key)
        return context

    def trusting(self) -> ssl.SSLContext:
        """For a client that trusts this certificate and no other."""
        return ssl.create_default_context(cafile=str(self.path))

    def public_key(self) -> str:
        """The public half, base64 of DER, as a DKIM record holds it."""
        done = subprocess.run(
            ["openssl", "rsa", "-in", self.key, "-pubout"], check=True, capture_output=True, text=True
        )
        return "".join(line for line in done.stdout.splitlines() if "-----" not in line)


def certify(folder: Path, *names: str) -> Certificate:
    """A certificate for these names. The test is skipped where there is no openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    named = ",".join(name if ":" in name else f"DNS:{name}" for name in names)
    words = f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=synthetic -addext subjectAltName={named}"
    files = ["-keyout", made.key, "-out", made.path]
    subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)
    return made
