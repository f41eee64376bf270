"""How VClaim knows its caller and hides its replies.

Signature: base64(HMAC-SHA256(consumer secret, `consid&timestamp`)).
Reply: base64(AES-256-CBC-PKCS7(K, IV, LZString(JSON)))
with K = SHA-256(consid + secret + timestamp of that very request) and IV = K[:16].
Source: BPJS TrustMark catalogue, "Create Signature" and "How to Decrypt" (reference bpjs.md §1.1, §2).
"""

import base64
import binascii
import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from gateway.connectors.vclaim.lzstring import LZStringError, decompress


class UnreadableReply(ValueError):
    """The reply does not decrypt or unpack with this request's key."""


def signature(consumer_id: str, secret: str, timestamp: str) -> str:
    """The `X-signature` of a request sent at `timestamp` (epoch seconds as text)."""
    digest = hmac.digest(secret.encode(), f"{consumer_id}&{timestamp}".encode(), "sha256")
    return base64.b64encode(digest).decode("ascii")


def reply_key(consumer_id: str, secret: str, timestamp: str) -> bytes:
    """The 32 bytes that decrypt the reply to the request sent at `timestamp`; the first 16 are also the IV."""
    return hashlib.sha256(f"{consumer_id}{secret}{timestamp}".encode()).digest()


def is_encrypted(response: str) -> bool:
    """Whether the text can be a ciphertext at all: some replies come plain (a bare SEP number, `True`)."""
    if not response or len(response) % 4:
        return False
    try:
        size = len(base64.b64decode(response, validate=True))
    except (ValueError, binascii.Error):
        return False
    return size > 0 and size % 16 == 0


def decrypt(response: str, key: bytes) -> str:
    """The JSON text inside an encrypted reply; raise UnreadableReply where the key or the packing is not right."""
    cipher = Cipher(algorithms.AES(key), modes.CBC(key[:16])).decryptor()
    padded = cipher.update(base64.b64decode(response)) + cipher.finalize()
    fill = padded[-1]
    if not 1 <= fill <= 16 or padded[-fill:] != bytes([fill]) * fill:
        raise UnreadableReply("the reply does not decrypt with this request's timestamp and secret")
    try:
        return decompress(padded[:-fill].decode("ascii"))
    except (UnicodeDecodeError, LZStringError) as error:
        raise UnreadableReply(f"the reply decrypts but does not unpack: {error}") from error
