"""Fetching what was dropped as an address, from a real server on this machine."""

from __future__ import annotations

import base64
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from servers import PictureServer, closed_port, serving

from mixer_gui.hub.address import fetch
from mixer_gui.records import MixerGuiError

PICTURE = random.Random(0).randbytes(30_000)


@pytest.fixture
def server() -> Iterator[PictureServer]:
    with serving(PICTURE) as server:
        yield server


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    wait_for_the_transfer_to_end()


def wait_for_the_transfer_to_end() -> None:
    deadline = time.monotonic() + 2
    while any(thread.name == "transfer" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the transfer's thread is still there"
        time.sleep(0.01)


def sentence_of(address: str, **options: float) -> str:
    with pytest.raises(MixerGuiError) as caught:
        fetch(address, **options)
    return str(caught.value)


def test_picture_comes_whole_and_named_after_its_path(server: PictureServer) -> None:
    fetched = fetch(f"{server.address}/photos/cat.png?size=large#top")
    assert (fetched.name, fetched.data) == ("cat.png", PICTURE)


def test_program_says_who_asks_and_asks_for_no_compression(server: PictureServer) -> None:
    fetch(f"{server.address}/cat.png")
    assert server.headers[0]["user-agent"].startswith("mixer-gui/")
    assert server.headers[0]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/my%20cat.png", "my cat.png"),
        ("/K%C3%A4tzchen.png", "Kätzchen.png"),
        ("/a%2Fb%2F..%2Fcat.png", "cat.png"),
        ("/line%0Abreak.png", "linebreak.png"),
        ("/folder/", "folder"),
        ("/", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_name_is_what_a_person_would_read(server: PictureServer, path: str, name: str) -> None:
    assert fetch(server.address + path).name == name


def test_address_may_hold_spaces_and_letters_that_are_not_escaped(server: PictureServer) -> None:
    assert fetch(f"  {server.address}/my Kätzchen.png\n").name == "my Kätzchen.png"


def test_picture_comes_over_ipv6() -> None:
    try:
        context = serving(PICTURE, "::1")
        with context as server:
            assert fetch(f"{server.address}/cat.png").data == PICTURE
            assert fetch(server.address).name == "::1"
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")


def test_progress_ends_with_all_of_the_bytes(server: PictureServer) -> None:
    figures: list[tuple[int, int | None]] = []
    fetch(f"{server.address}/cat.png", progressed=lambda done, total: figures.append((done, total)))
    assert figures[-1] == (len(PICTURE), len(PICTURE))
    assert figures == sorted(figures)


def test_picture_without_a_stated_length_comes_whole(server: PictureServer) -> None:
    figures: list[tuple[int, int | None]] = []
    fetched = fetch(f"{server.address}/chunked", progressed=lambda done, total: figures.append((done, total)))
    assert fetched.data == PICTURE
    assert figures[-1] == (len(PICTURE), None)


@pytest.mark.parametrize("status", [403, 404, 500, 204])
def test_other_answers_than_a_picture_are_told(server: PictureServer, status: int) -> None:
    said = sentence_of(f"{server.address}/status/{status}")
    assert said.startswith(f"127.0.0.1 answered {status} ")
    assert "drop the file" in said


def test_redirect_is_followed_and_the_first_name_kept(server: PictureServer) -> None:
    assert fetch(f"{server.address}/redirect?/elsewhere/dog.png").data == PICTURE


def test_redirect_in_a_circle_ends(server: PictureServer) -> None:
    assert "could not be fetched" in sentence_of(f"{server.address}/loop")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:image/png;base64,AAAA"])
def test_redirect_to_another_scheme_is_refused(server: PictureServer, target: str) -> None:
    assert "could not be fetched" in sentence_of(f"{server.address}/redirect?{target}")


@pytest.mark.parametrize(
    "address", ["file:///etc/passwd", "ftp://example.org/cat.png", "javascript:alert(1)", "cat.png", ""]
)
def test_other_schemes_are_refused(address: str) -> None:
    assert "only http, https and data" in sentence_of(address)


@pytest.mark.parametrize("address", ["http://[::1/cat.png", "http://", "http:///cat.png", "http://a b/", "http://x:y/"])
def test_broken_address_gives_a_sentence(address: str) -> None:
    assert sentence_of(address, timeout_s=2)


def test_size_that_is_stated_too_large_is_refused_at_once(server: PictureServer) -> None:
    started = time.monotonic()
    assert "larger than 50 MB" in sentence_of(f"{server.address}/claims/{50_000_001}")
    assert time.monotonic() - started < 5  # the server would stall for 20 s


def test_size_that_turns_out_too_large_is_refused(server: PictureServer) -> None:
    assert "larger than 2 MB" in sentence_of(f"{server.address}/endless", max_bytes=2_000_000)


@pytest.mark.parametrize("path", ["cat.png", "chunked"])
def test_limit_itself_is_allowed_and_one_byte_more_is_not(server: PictureServer, path: str) -> None:
    assert fetch(f"{server.address}/{path}", max_bytes=len(PICTURE)).data == PICTURE
    assert "larger than" in sentence_of(f"{server.address}/{path}", max_bytes=len(PICTURE) - 1)


def test_transfer_that_breaks_off_is_no_picture(server: PictureServer) -> None:
    assert "could not be fetched" in sentence_of(f"{server.address}/cut")


@pytest.mark.parametrize("path", ["mute", "stall"])
def test_server_that_falls_silent_is_given_up(server: PictureServer, path: str) -> None:
    assert "did not answer for" in sentence_of(f"{server.address}/{path}", silence_s=0.3)


def test_server_that_never_finishes_is_given_up_though_it_is_not_silent(server: PictureServer) -> None:
    assert "took longer than" in sentence_of(f"{server.address}/drip", timeout_s=0.6)


def test_nobody_at_the_port_gives_a_sentence() -> None:
    assert "could not be fetched" in sentence_of(f"http://127.0.0.1:{closed_port()}/cat.png")


def test_unencrypted_server_behind_https_gives_a_sentence(server: PictureServer) -> None:
    assert "could not be fetched" in sentence_of(server.address.replace("http:", "https:") + "/cat.png")


@pytest.mark.parametrize("path", ["mute", "stall", "drip", "endless", "claims/40000000"])
def test_cancelling_ends_a_fetch_at_once_wherever_it_is(server: PictureServer, path: str) -> None:
    cancelled_at: list[float] = []

    def cancelled() -> bool:
        if server.reached.is_set() and not cancelled_at:
            cancelled_at.append(time.monotonic())
        return bool(cancelled_at)

    with pytest.raises(MixerGuiError, match="was cancelled"):
        fetch(f"{server.address}/{path}", cancelled=cancelled)
    assert time.monotonic() - cancelled_at[0] < 1
    wait_for_the_transfer_to_end()  # while the server still holds the connection


def test_cancelling_ends_a_fetch_that_is_still_connecting() -> None:
    with socket.socket() as full:  # its queue holds one connection, so the next ones wait
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.create_connection(("127.0.0.1", port), timeout=1)]
        started = time.monotonic()
        with pytest.raises(MixerGuiError, match="was cancelled"):
            fetch(f"http://127.0.0.1:{port}/", cancelled=lambda: time.monotonic() > started + 0.2)
        assert time.monotonic() - started < 1
        for connection in waiting:
            connection.close()


def test_error_in_the_progress_callback_reaches_the_caller(server: PictureServer) -> None:
    with pytest.raises(ZeroDivisionError):
        fetch(f"{server.address}/cat.png", progressed=lambda done, total: 1 // 0)


def test_password_in_an_address_stays_out_of_the_sentence(server: PictureServer) -> None:
    said = sentence_of(server.address.replace("http://", "http://user:secret@") + "/status/401")
    assert "secret" not in said


def test_data_address_is_decoded() -> None:
    payload = base64.b64encode(PICTURE).decode()
    fetched = fetch(f"data:image/png;base64,{payload}")
    assert (fetched.name, fetched.data) == ("dropped image/png", PICTURE)


def test_data_address_may_be_percent_escaped() -> None:
    assert fetch("data:image/svg+xml,%3Csvg%2F%3E").data == b"<svg/>"
    assert fetch("data:,A").name == "dropped data"


@pytest.mark.parametrize("payload", ["AAEC AwQ=", "AAEC\nAwQ=", "AAECAwQ", "AAECAwQ%3D"])
def test_data_address_is_forgiven_what_browsers_forgive(payload: str) -> None:
    assert fetch(f"DATA:image/png;BASE64,{payload}").data == bytes(range(5))


@pytest.mark.parametrize("payload", ["A", "AAE*", "====", "Ä"])
def test_broken_base64_gives_a_sentence(payload: str) -> None:
    assert "not valid base64" in sentence_of(f"data:image/png;base64,{payload}")


def test_data_address_without_data_gives_a_sentence() -> None:
    assert "holds no data" in sentence_of("data:image/png;base64")


@pytest.mark.parametrize("payload", ["A" * 4000, "A" * 400])
def test_data_address_that_is_too_large_is_refused(payload: str) -> None:
    assert "larger than" in sentence_of(f"data:image/png;base64,{payload}", max_bytes=299)
    assert len(fetch(f"data:image/png;base64,{'A' * 400}", max_bytes=300).data) == 300
