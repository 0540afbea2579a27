"""Sealed values open with their key and in their place, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.secretbox import SecretBox, UnknownKey

BOX = SecretBox("a secret")
# Sealed by this program at its first version: what stands in databases must stay readable.
GOLDEN = bytes.fromhex(
    "6a63312e41375558593651422e775980da310afd5613a9ad8805d1405c8b2cb15b4b187dc50569048cffb0b11e93"
)


@given(plain=st.binary(max_size=500), context=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_what_is_sealed_is_opened(plain: bytes, context: str) -> None:
    sealed = BOX.seal(plain, context)
    assert BOX.open(sealed, context) == plain
    assert SecretBox("a secret").open(sealed, context) == plain


def test_a_value_of_an_earlier_release_is_opened() -> None:
    assert BOX.open(GOLDEN, "run:1") == b"plain"


def test_no_two_seals_are_alike() -> None:
    assert BOX.seal(b"plain", "here") != BOX.seal(b"plain", "here")


def test_what_is_sealed_cannot_be_read() -> None:
    assert b"hunter2" not in BOX.seal(b"hunter2" * 10, "here")


def test_in_another_place_it_does_not_open() -> None:
    with pytest.raises(ValueError, match="does not belong here"):
        BOX.open(BOX.seal(b"plain", "run:1"), "run:2")


def test_another_key_is_told_apart_from_tampering() -> None:
    with pytest.raises(UnknownKey):
        SecretBox("another secret").open(BOX.seal(b"plain", "here"), "here")


def test_any_changed_byte_is_noticed() -> None:
    sealed = BOX.seal(b"plain", "here")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((ValueError, UnknownKey)):
            BOX.open(bytes(changed), "here")


@pytest.mark.parametrize("garbage", [b"", b"jc1", b"jc1.", b"plain text", b"jc1.AAAAAAAA."])
def test_what_was_never_sealed_does_not_open(garbage: bytes) -> None:
    with pytest.raises((ValueError, UnknownKey)):
        BOX.open(garbage, "here")
