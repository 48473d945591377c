"""The address of the task in a message: the one under which people reach the page."""

from __future__ import annotations

import pytest

from minisched.api.gate import own_hosts
from support.factories import config


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ([], "http://127.0.0.1:8787"),
        (["plant.example.org"], "http://plant.example.org"),
        (["plant.example.org:9000"], "http://plant.example.org:9000"),
        (["https://plant.example.org"], "https://plant.example.org"),
        (["https://plant.example.org:8443", "other.example.org"], "https://plant.example.org:8443"),
    ],
)
def test_links_have_the_scheme_of_the_proxy(allowed: list[str], url: str) -> None:
    http = config(http={"allowed_hosts": allowed}).settings.http
    assert http.page_url == url
    for name in allowed:
        assert name.rpartition("://")[2] in own_hosts(http, [("127.0.0.1", 8787)])
    assert not any("://" in host for host in own_hosts(http, [("127.0.0.1", 8787)]))
