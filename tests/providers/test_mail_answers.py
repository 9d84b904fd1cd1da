"""What the answers of mail servers mean (table B8 of the domain notes): pure judgement, without a server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openbell.engine.errors import Permanent, ProducerError, ProviderStopped, RateLimited, Transient
from openbell.providers.mail_answers import AddressRefused, CampaignStopped, Stage, judge

ANSWERS: list[tuple[Stage, int, str, type[ProducerError], str]] = [
    ("recipient", 550, "5.1.1 No such user", AddressRefused, "address_refused"),
    ("recipient", 550, "No such user here", AddressRefused, "address_refused"),
    ("recipient", 553, "5.1.3 bad address syntax", AddressRefused, "address_refused"),
    ("recipient", 550, "5.2.1 The account is disabled", AddressRefused, "address_refused"),
    ("recipient", 550, "5.4.1 Recipient address rejected: Access denied", AddressRefused, "address_refused"),
    ("content", 550, "5.1.1 No such user", AddressRefused, "address_refused"),
    ("recipient", 552, "5.2.2 over quota", Permanent, "no_room"),
    ("content", 552, "5.3.4 too big", Permanent, "no_room"),
    ("content", 552, "message size", Permanent, "no_room"),
    ("recipient", 452, "4.2.2 over quota", Transient, "mailbox_busy"),
    ("recipient", 450, "greylisted", Transient, "mailbox_busy"),
    ("content", 451, "4.3.0 later", Transient, "server_busy"),
    ("sender", 451, "4.1.8 later", Transient, "server_busy"),
    ("connect", 450, "busy", Transient, "server_busy"),
    ("content", 550, "5.7.1 looks like spam", CampaignStopped, "content_refused"),
    ("recipient", 550, "5.7.1 blocked", CampaignStopped, "content_refused"),
    ("content", 554, "Transaction failed", CampaignStopped, "content_refused"),
    ("content", 550, "5.6.0 headers", CampaignStopped, "content_refused"),
    ("recipient", 554, "no service", CampaignStopped, "content_refused"),
    ("sender", 550, "5.1.8 sender unknown", CampaignStopped, "sender_refused"),
    ("sender", 553, "not yours", CampaignStopped, "sender_refused"),
    ("recipient", 554, "5.7.1 Relay access denied", ProviderStopped, "relay_denied"),
    ("recipient", 550, "Unable to relay", ProviderStopped, "relay_denied"),
    ("content", 550, "5.7.26 unauthenticated", ProviderStopped, "authentication_missing"),
    ("content", 550, "5.7.515 Access denied", ProviderStopped, "authentication_missing"),
    ("recipient", 550, "5.7.26 unauthenticated", ProviderStopped, "authentication_missing"),
    ("login", 535, "5.7.8 bad", ProviderStopped, "bad_credentials"),
    ("login", 504, "5.5.4 mechanism", ProviderStopped, "bad_credentials"),
    ("sender", 530, "5.7.0 Authentication required", ProviderStopped, "bad_credentials"),
    ("connect", 554, "no service here", ProviderStopped, "server_refuses"),
    ("connect", 421, "too many connections", RateLimited, "slow_down"),
    ("recipient", 421, "4.7.28 unusual rate", RateLimited, "slow_down"),
    ("content", 421, "4.7.0 later", RateLimited, "slow_down"),
    ("content", 451, "4.7.28 unusual rate", RateLimited, "slow_down"),
    ("recipient", 503, "5.5.1 bad sequence", Permanent, "mail_refused"),
    ("content", 500, "5.5.2 syntax", Permanent, "mail_refused"),
    ("recipient", 550, "blocked, see 4.7.28 and 5.9.1.2", AddressRefused, "address_refused"),
]


@pytest.mark.parametrize(("stage", "code", "text", "kind", "word"), ANSWERS)
def test_an_answer_is_judged(stage: Stage, code: int, text: str, kind: type[ProducerError], word: str) -> None:
    """B8: address, campaign, mailbox, relay and ourselves are told apart, by the enhanced status before the code."""
    error = judge(stage, code, text, text)
    assert (type(error), error.code) == (kind, word)
    assert str(code) in str(error)


@given(
    st.sampled_from(["connect", "login", "sender", "recipient", "data", "content"]),
    st.integers(400, 599),
    st.text(max_size=60),
)
def test_any_answer_is_a_typed_error(stage: Stage, code: int, text: str) -> None:
    """MD-7: no answer, however strange, is an untyped failure; only an address that is refused is suppressed."""
    error = judge(stage, code, text, text)
    assert isinstance(error, ProducerError)
    assert not isinstance(error, AddressRefused) or (code >= 500 and stage not in ("connect", "login", "sender"))
