"""Token and address files: made once, read by the owner only, and clear about what is wrong."""

from pathlib import Path

import pytest
from cfd_web.access import (
    ADDRESS_FILE,
    TOKEN_FILE,
    AccessRefused,
    checked_token,
    find_access,
    own_token,
    publish_address,
    withdraw_address,
)


def test_a_token_is_made_once(tmp_path: Path) -> None:
    token = own_token(tmp_path)
    assert own_token(tmp_path) == token
    assert len(token.reveal()) >= 43
    assert (tmp_path / TOKEN_FILE).stat().st_mode & 0o777 == 0o600
    (tmp_path / TOKEN_FILE).unlink()
    assert own_token(tmp_path) != token


def test_programs_of_the_owner_find_the_node(tmp_path: Path) -> None:
    token = own_token(tmp_path)
    for url in ("http://127.0.0.1:1", "http://127.0.0.1:2/"):
        publish_address(tmp_path, url, "regtest")
    access = find_access(tmp_path)
    assert (access.url, access.token) == ("http://127.0.0.1:2", token)
    assert token.reveal().decode() not in repr(access)
    assert (tmp_path / ADDRESS_FILE).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [TOKEN_FILE, ADDRESS_FILE]
    withdraw_address(tmp_path)
    withdraw_address(tmp_path)
    with pytest.raises(AccessRefused, match="no node runs in"):
        find_access(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": 1', "null", "\xff"])
def test_an_address_that_does_not_read(tmp_path: Path, text: str) -> None:
    own_token(tmp_path)
    (tmp_path / ADDRESS_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(AccessRefused, match="cannot read"):
        find_access(tmp_path)


def test_a_token_that_others_can_read(tmp_path: Path) -> None:
    own_token(tmp_path)
    (tmp_path / TOKEN_FILE).chmod(0o644)
    with pytest.raises(AccessRefused, match="can be read by others"):
        own_token(tmp_path)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="cannot write"):
        own_token(tmp_path / "nowhere")
    with pytest.raises(AccessRefused, match="cannot write"):
        publish_address(tmp_path / "nowhere", "http://127.0.0.1:1", "regtest")


@pytest.mark.parametrize("text", ["", "short", "x" * 31, "x" * 40 + " y", "x" * 40 + "\n", "é" * 40])
def test_tokens_that_are_none(text: str) -> None:
    with pytest.raises(AccessRefused, match="at least 32"):
        checked_token(text)
