"""Fixtures around a real Hub on this machine, for tests/hub and tests/gui alike. Neither torch nor Qt at import."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from faulty_proxy import FaultyProxy
from hub_repositories import Reference, Repository, write_timm_mixer, write_tiny_mixer
from hub_server import HubServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def hub_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """One for all tests: a test that stops it or changes what others read takes one of its own."""
    with HubServer(tmp_path_factory.mktemp("hub")) as server:
        yield server


@pytest.fixture(scope="session")
def proxy_bodies() -> dict[str, bytes]:
    """Files by their etags, so that each is fetched from the server once."""
    return {}


@pytest.fixture
def proxy(hub_server: HubServer, proxy_bodies: dict[str, bytes]) -> Iterator[FaultyProxy]:
    """In front of `hub_server`, without faults yet: what tests call the Hub."""
    with FaultyProxy(hub_server.endpoint, bodies=proxy_bodies) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def timm_mixer(hub_server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, Reference]:
    folder = tmp_path_factory.mktemp("timm-mixer")
    reference = write_timm_mixer(folder)
    name = "test-owner/mixer_s32_224.random"
    return Repository(name, hub_server.add(name, folder), folder), reference


@pytest.fixture(scope="session")
def mixer_repository(timm_mixer: tuple[Repository, Reference]) -> Repository:
    """A Mixer-S/32 of 76 MB."""
    return timm_mixer[0]


@pytest.fixture(scope="session")
def reference_logits(timm_mixer: tuple[Repository, Reference]) -> Reference:
    """What timm says of random images with the weights of `mixer_repository`."""
    return timm_mixer[1]


@pytest.fixture(scope="session")
def tiny_repository(hub_server: HubServer, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A Mixer of 24 kB, its weights in git-LFS all the same."""
    folder = write_tiny_mixer(tmp_path_factory.mktemp("tiny-mixer"))
    name = "test-owner/tiny"
    return Repository(name, hub_server.add(name, folder), folder)
