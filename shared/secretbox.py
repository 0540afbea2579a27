"""Sealing what must not be read in SQL or on the bus. A sealed value names its key, so that keys can be rotated."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES = 12
_PREFIX = b"jc1"


class UnknownKey(Exception):
    """The value was sealed with a key that this process does not have (yet)."""


class SecretBox:
    """AES-256-GCM with a key derived from the given secret; the context is authenticated, not stored."""

    def __init__(self, secret: str) -> None:
        key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"jetcron secretbox v1").derive(
            secret.encode()
        )
        self._key_id = base64.b32encode(hashlib.sha256(key).digest()[:5])
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Seal bytes for one context (the row that they belong to): elsewhere they cannot be opened."""
        nonce = os.urandom(_NONCE_BYTES)
        return (
            b".".join((_PREFIX, self._key_id, b""))
            + nonce
            + self._cipher.encrypt(nonce, plain, context.encode())
        )

    def open(self, sealed: bytes, context: str) -> bytes:
        """The plain bytes; raises `UnknownKey` when another key sealed them, ValueError when they were tampered with."""
        prefix, key_id, rest = sealed.split(b".", 2)
        if prefix != _PREFIX or key_id != self._key_id:
            raise UnknownKey(key_id.decode(errors="replace"))
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], context.encode())
        except InvalidTag as error:
            raise ValueError("a sealed value does not belong here or was changed") from error
