from __future__ import annotations

import pytest

from airflow_provider_wiro.api.signing import Credentials, signature
from airflow_provider_wiro.exceptions import WiroUsageError

# printf 's-4561734513809' | openssl dgst -sha256 -hmac k-123
KNOWN_ANSWER = "ae1c9dec8a537ba8f7d42b13f91c4093119c6cfe346f292728eb3574f25717f8"


def test_the_signature_is_the_known_answer_of_the_contract() -> None:
    assert signature("k-123", "s-456", "1734513809") == KNOWN_ANSWER


def test_signature_mode_sends_key_nonce_and_signature() -> None:
    assert Credentials("k-123", "s-456").headers(1734513809) == {
        "x-api-key": "k-123",
        "x-nonce": "1734513809",
        "x-signature": KNOWN_ANSWER,
    }


def test_key_only_mode_sends_the_key_and_nothing_else() -> None:
    assert Credentials("k-123").headers(1734513809) == {"x-api-key": "k-123"}


def test_the_mode_has_a_name() -> None:
    assert Credentials("k", "s").mode == "signature"
    assert Credentials("k").mode == "API key only"


def test_without_a_key_the_message_says_where_to_put_it() -> None:
    with pytest.raises(WiroUsageError, match=r"no API key\. Put the key in `login`"):
        Credentials("")


@pytest.mark.parametrize(
    "bad", [" k-123", "k-123 ", "k 123", "k-123\n", "k\r\nx-admin: 1", "k\t1", "k\0", "schlüssel", "k\u200b1"]
)
def test_credentials_that_were_copied_wrong_are_refused_without_being_shown(bad: str) -> None:
    for which, make in (
        ("API key", lambda: Credentials(bad, "s-456")),
        ("API secret", lambda: Credentials("k-123", bad)),
    ):
        with pytest.raises(WiroUsageError, match=which) as refused:
            make()
        assert bad not in str(refused.value)


def test_credentials_show_no_secret_in_their_repr() -> None:
    assert repr(Credentials("k-123", "s-456")) == "Credentials()"
