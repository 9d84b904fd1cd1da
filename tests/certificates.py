"""Certificates and keys for tests, made on the spot, so that no key lies in the repository."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat


@dataclass(frozen=True)
class Certificate:
    """A certificate of an authority that nobody trusts but who is told to."""

    authority: trustme.CA
    leaf: trustme.LeafCert

    def serving(self) -> ssl.SSLContext:
        """For the server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.leaf.configure_cert(context)
        return context

    def trusting(self) -> ssl.SSLContext:
        """For a client that trusts this authority and no other."""
        return ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())


def certify(*names: str) -> Certificate:
    """A certificate for these names or addresses."""
    authority = trustme.CA()
    return Certificate(authority, authority.issue_cert(*names))


def dkim_key() -> tuple[str, str]:
    """A key to sign mail with (PEM), and the record of its public half (RFC 6376, 3.6.1)."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return pem, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"
