"""Signature and encryption, against fixed vectors."""

import json
from pathlib import Path

import pytest

from gateway.connectors.vclaim.crypto import UnreadableReply, decrypt, is_encrypted, reply_key, signature
from gateway.sandbox.seed import VClaimKeys
from gateway.sandbox.vclaim.wire import encrypt

KEYS = VClaimKeys("1234", "pwd", "")
AT = "433223232"
CIPHERTEXT = "V5RkPoCsAQAOoEPaDF3zVir5O7AC8aDs4Nj91FxI+0Q="


def test_signature_of_the_catalogues_own_example() -> None:
    assert signature("1234", "pwd", AT) == "eXMtvX2r7e7CLCIu3kpEpCrvciZgK8FuOhKv06NDAHk="


def test_key_comes_from_consumer_secret_and_time_without_ampersand() -> None:
    assert reply_key("1234", "pwd", AT).hex() == "f75bf2014da65c8f1c39a47de848ba383d051f4e218fa70774fcd3fb216c5f9b"


def test_a_reply_decrypts_to_its_json() -> None:
    assert decrypt(CIPHERTEXT, reply_key("1234", "pwd", AT)) == '"0301R0011117V000008"'
    assert encrypt('"0301R0011117V000008"', KEYS, AT) == CIPHERTEXT


def test_the_key_of_another_second_does_not_open_it() -> None:
    with pytest.raises(UnreadableReply):
        decrypt(CIPHERTEXT, reply_key("1234", "pwd", "433223233"))


@pytest.mark.parametrize("plain", ["0301R0011117V000008", "True", "", "Sukses", "YWJj", '{"sep": 1}'])
def test_plain_replies_are_not_taken_for_ciphertext(plain: str) -> None:
    assert not is_encrypted(plain)


def test_published_vectors(shared: Path) -> None:
    vectors = json.loads((shared / "samples/bpjs/crypto_vectors.json").read_text("utf-8"))
    own = vectors["hmac"][1]
    assert signature(own["cons_id"], own["secret"], own["timestamp"]) == own["X-signature"]
    reply = vectors["response"]
    key = reply_key(reply["cons_id"], reply["secret"], reply["timestamp"])
    keys = VClaimKeys(reply["cons_id"], reply["secret"], "")
    for case in reply["cases"]:
        assert decrypt(case["response_b64"], key) == case["plaintext_json"]
        assert encrypt(case["plaintext_json"], keys, reply["timestamp"]) == case["response_b64"]
