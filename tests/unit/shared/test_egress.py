"""Every way around the guard that is known must end before a socket is dialled.

Nothing here leaves the process: names are answered from a table, numbers by the C library without a lookup, and
the event loop's connect step is replaced by one that writes down where it was asked to go.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from ipaddress import IPv4Network, IPv6Network, ip_network

import aiohttp
import pytest
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.egress import PRIVATE_NETWORKS, EgressPolicy, EgressRefused, guarded_session

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1::1"

INTERNAL_NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1", "::1"],
    "ip6-localhost": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
    "private.example": ["10.0.0.1"],
    "mixed.example": [PUBLIC, "127.0.0.1"],
    "mixed-six.example": [PUBLIC, "fd00:ec2::254"],
    "scoped.example": ["fe80::1%eth0"],
    "gateway": ["172.18.0.4"],
    "nats": ["172.18.0.2"],
    "postgres": ["172.18.0.3"],
}

ATTACK_URLS = r"""
http://127.0.0.1/ http://127.1/ http://127.0.1/ http://0/ http://0.0.0.0/ http://2130706433/
http://0x7f000001/ http://0x7f.1/ http://0177.0.0.1/ http://017700000001/ http://127.0.0.1./
http://localhost/ http://LOCALHOST./ http://ip6-localhost/ http://①②⑦.⓪.⓪.①/ http://127。0。0。1/
http://%31%32%37.0.0.1/ http://10.0.0.1/ http://172.16.0.1/ http://172.31.255.255/ http://192.168.0.1/
http://100.64.0.1/ http://100.100.100.200/latest/meta-data/ http://169.254.169.254/latest/meta-data/
http://169.254.170.2/v2/credentials http://168.63.129.16/ http://192.0.0.192/opc/v2/ http://198.18.0.1/
http://224.0.0.1/ http://255.255.255.255/ http://192.88.99.1/ http://[::1]/ http://[::]/
http://[::ffff:127.0.0.1]/ http://[::ffff:7f00:1]/ http://[::ffff:169.254.169.254]/
http://[::ffff:0:127.0.0.1]/ http://[::127.0.0.1]/ http://[64:ff9b::7f00:1]/ http://[64:ff9b::a9fe:a9fe]/
http://[64:ff9b:1::a9fe:a9fe]/ http://[2002:7f00:1::]/ http://[2002:a9fe:a9fe::]/
http://[2001:0:808:808::80ff:fffe]/ http://[fc00::1]/ http://[fd00:ec2::254]/ http://[fe80::1]/
http://[fe80::1%25eth0]/ http://[fe80::1%eth0]/ http://[fec0::1]/ http://[ff02::1]/ http://[5f00::1]/
http://[3fff::1]/ http://user:pass@127.0.0.1/ http://example.com@127.0.0.1/ http://example.com:80@127.0.0.1/
http://@example.com/ http://user@example.com/ http://127.0.0.1\@example.com/ http://example.com#@127.0.0.1/
http://127.0.0.1:4222/ http://127.0.0.1:5432/ http://example.com:22/ http://example.com:0/
http://example.com:99999/ file:///etc/passwd gopher://127.0.0.1:6379/_X ftp://127.0.0.1/
dict://127.0.0.1:11211/ data:text/plain,x javascript:alert(1) //127.0.0.1/ http:///x http:/x
http:example.com http:// http://[::1 http://example.com%0d%0aX-A:1/
"""
ATTACKS = [
    *ATTACK_URLS.split(),
    "http://example.com/\r\nX-A:1",
    "http://example.com/\x00",
    "http://exa mple.com/",
    "",
    *(f"http://{name}/" for name in INTERNAL_NAMES),
    "http://example.com/" + "a" * 8174,
]


class TableResolver(AbstractResolver):
    """Answers from a table, a list of answers in turn; numbers as the C library reads them. Counts the lookups."""

    def __init__(self, table: dict[str, list[list[str]]]) -> None:
        self._answers = {name: iter(answers) for name, answers in table.items()}
        self.lookups: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.lookups.append(host)
        if host in self._answers:
            addresses = next(self._answers[host])
        else:
            found = _numeric(host, port)
            addresses = [str(info[4][0]) for info in found]
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


_getaddrinfo = socket.getaddrinfo


def _numeric(host: str, port: int) -> list[tuple[object, object, object, str, tuple[object, ...]]]:
    return [
        *_getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    ]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where a connection was begun; each is refused on the spot. A real lookup or connect fails the test."""
    begun: list[tuple[str, int]] = []

    async def sock_connect(_loop: object, _sock: socket.socket, address: tuple[str, int]) -> None:
        begun.append((address[0], address[1]))
        raise ConnectionRefusedError(111, "Connection refused")

    def forbidden(*_args: object, **_kwargs: object) -> None:
        pytest.fail("the test reached for the network")

    monkeypatch.setattr(asyncio.SelectorEventLoop, "sock_connect", sock_connect)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    monkeypatch.setattr(socket.socket, "connect", forbidden, raising=False)
    monkeypatch.setattr(socket.socket, "connect_ex", forbidden, raising=False)
    return begun


@pytest.fixture
def resolver() -> TableResolver:
    names = {name: [addresses] for name, addresses in INTERNAL_NAMES.items()}
    return TableResolver(
        names
        | {
            "example.com": [[PUBLIC], [PUBLIC]],
            "both.example": [[PUBLIC_V6, PUBLIC]],
            "rebinding.example": [[PUBLIC], ["127.0.0.1"]],
            "empty.example": [[]],
        }
    )


@pytest.fixture
async def session(resolver: TableResolver) -> AsyncIterator[aiohttp.ClientSession]:
    async with guarded_session(EgressPolicy(), resolver=resolver) as session:
        yield session


async def _get(session: aiohttp.ClientSession, policy: EgressPolicy, url: str) -> None:
    async with session.get(policy.check_url(url), allow_redirects=False):
        pytest.fail("nothing can have answered")


@pytest.mark.parametrize("url", ATTACKS, ids=lambda url: ascii(url[:60]))
async def test_an_attack_is_refused_before_anything_is_dialled(
    url: str, session: aiohttp.ClientSession, dialled: list[tuple[str, int]]
) -> None:
    # aiohttp itself refuses the short and octal forms of IPv4 that hold nothing but digits and dots.
    with pytest.raises((EgressRefused, aiohttp.InvalidURL)) as refusal:
        await _get(session, EgressPolicy(), url)
    assert dialled == []
    assert "user:pass" not in str(refusal.value)


class TestResolvedNames:
    async def test_a_public_name_is_dialled_at_its_address_after_one_lookup(
        self, session: aiohttp.ClientSession, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        with pytest.raises(aiohttp.ClientConnectorError):
            await _get(session, EgressPolicy(), "https://example.com:8443/x")
        assert dialled == [(PUBLIC, 8443)]
        assert resolver.lookups == ["example.com"]

    async def test_each_address_of_a_name_is_tried_after_one_lookup(
        self, session: aiohttp.ClientSession, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        with pytest.raises(aiohttp.ClientConnectorError):
            await _get(session, EgressPolicy(), "http://both.example/")
        assert set(dialled) == {(PUBLIC, 80), (PUBLIC_V6, 80)}
        assert resolver.lookups == ["both.example"]

    async def test_every_connection_has_exactly_one_lookup_of_its_own(
        self, session: aiohttp.ClientSession, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientConnectorError):
                await _get(session, EgressPolicy(), "http://example.com/")
        assert resolver.lookups == ["example.com", "example.com"]
        assert dialled == [(PUBLIC, 80), (PUBLIC, 80)]

    async def test_a_name_that_turns_private_meets_the_guard_again(
        self, session: aiohttp.ClientSession, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        with pytest.raises(aiohttp.ClientConnectorError):
            await _get(session, EgressPolicy(), "http://rebinding.example/")
        with pytest.raises(EgressRefused, match=r"^rebinding\.example resolves to .* a loopback address$"):
            await _get(session, EgressPolicy(), "http://rebinding.example/")
        assert dialled == [(PUBLIC, 80)]
        assert resolver.lookups == ["rebinding.example", "rebinding.example"]

    async def test_a_refusal_does_not_tell_what_an_internal_name_resolves_to(
        self, session: aiohttp.ClientSession, dialled: list[tuple[str, int]]
    ) -> None:
        with pytest.raises(EgressRefused) as refusal:
            await _get(session, EgressPolicy(), "http://nats/")
        assert str(refusal.value) == "nats resolves to an address that is a private address"
        assert dialled == []

    async def test_a_name_without_an_address_is_not_found(
        self, session: aiohttp.ClientSession, dialled: list[tuple[str, int]]
    ) -> None:
        with pytest.raises(aiohttp.ClientConnectorDNSError):
            await _get(session, EgressPolicy(), "http://empty.example/")
        assert dialled == []


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            PUBLIC,
            PUBLIC_V6,
            "8.8.8.8",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "172.32.0.1",
            "100.128.0.1",
            "192.0.1.1",
        ],
    )
    def test_public_addresses_pass(self, address: str) -> None:
        EgressPolicy().check_address(address)

    @pytest.mark.parametrize(
        "address", ["", "example.com", "127.1", "0x7f000001", "fe80::1%eth0", "2606::1%lo"]
    )
    def test_what_is_no_plain_address_is_refused(self, address: str) -> None:
        with pytest.raises(EgressRefused):
            EgressPolicy().check_address(address)


class TestAllowedNetworks:
    @pytest.mark.parametrize(
        ("network", "allowed", "refused"),
        [
            ("127.0.0.1/32", ["127.0.0.1", "::ffff:127.0.0.1"], ["127.0.0.2", "::1", "64:ff9b::7f00:1"]),
            ("10.1.0.0/16", ["10.1.2.3"], ["10.2.0.1", "127.0.0.1", "169.254.169.254", "2002:a01:203::"]),
            ("fd00:1::/32", ["fd00:1::5"], ["fd00:2::5", "::1", "10.0.0.1", "fd00:1::5%eth0"]),
            ("64:ff9b:1::/96", ["64:ff9b:1::7f00:1"], ["64:ff9b::7f00:1", "127.0.0.1"]),
            ("168.63.129.16/32", ["168.63.129.16"], ["169.254.169.254"]),
        ],
    )
    def test_only_what_they_name_is_exempt(
        self, network: str, allowed: list[str], refused: list[str]
    ) -> None:
        policy = EgressPolicy(allowed_networks=(ip_network(network),))
        for address in [*allowed, PUBLIC, PUBLIC_V6]:
            policy.check_address(address)
        for address in refused:
            with pytest.raises(EgressRefused):
                policy.check_address(address)

    async def test_an_exempt_name_is_dialled_and_its_neighbour_is_not(
        self, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        networks: tuple[IPv4Network | IPv6Network, ...] = (
            ip_network("172.18.0.4/32"),
            ip_network("127.0.0.1/32"),
        )
        policy = EgressPolicy(allowed_networks=networks)
        async with guarded_session(policy, resolver=resolver) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await _get(session, policy, "http://gateway:8080/")
            for url in ("http://nats/", "http://localhost/", "http://[::1]/", "http://127.0.0.1:4222/"):
                with pytest.raises(EgressRefused):
                    await _get(session, policy, url)
        assert dialled == [("172.18.0.4", 8080)]


class TestOnlyOrigin:
    async def test_a_session_for_one_origin_dials_no_other(
        self, resolver: TableResolver, dialled: list[tuple[str, int]]
    ) -> None:
        policy = EgressPolicy(allowed_networks=PRIVATE_NETWORKS, only_origin=yarl.URL("http://gateway:8080"))
        async with guarded_session(policy, resolver=resolver) as session:
            with pytest.raises(aiohttp.ClientConnectorError):
                await _get(session, policy, "http://gateway:8080/api/v3")
            for url in (
                "http://gateway/",
                "https://gateway:8080/",
                "http://nats:8080/",
                "http://127.0.0.1:8080/",
            ):
                with pytest.raises(EgressRefused, match=r"is not one of http://gateway:8080$"):
                    await _get(session, policy, url)
                # Also for a request that nobody checked before.
                with pytest.raises(EgressRefused):
                    await session.get(url)
        assert dialled == [("172.18.0.4", 8080)]

    def test_private_networks_leave_out_what_is_special(self) -> None:
        policy = EgressPolicy(allowed_networks=PRIVATE_NETWORKS)
        for address in ("10.0.0.1", "100.64.0.1", "127.0.0.1", "172.16.0.1", "192.168.0.1", "::1", "fd00::1"):
            policy.check_address(address)
        for address in ("169.254.169.254", "168.63.129.16", "fe80::1", "::", "192.0.0.192"):
            with pytest.raises(EgressRefused):
                policy.check_address(address)


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "dials"),
        [
            ("http://example.com", "http://example.com"),
            ("HTTPS://Example.COM:8443/a%20b?email=a@b.c", "https://example.com:8443/a%20b?email=a@b.c"),
            ("https://example.com/@user", "https://example.com/@user"),
            ("https://example.com?email=a@b.c", "https://example.com/?email=a@b.c"),
            ("http://日本語.jp/パス", "http://xn--wgv71a119e.jp/%E3%83%91%E3%82%B9"),
            ("http://under_score.example:3000/", "http://under_score.example:3000/"),
            (f"http://[{PUBLIC_V6}]:8080/", f"http://[{PUBLIC_V6}]:8080/"),
        ],
    )
    def test_ordinary_ones_pass(self, url: str, dials: str) -> None:
        assert str(EgressPolicy().check_url(url)) == dials

    def test_https_can_be_required(self) -> None:
        policy = EgressPolicy(require_https=True)
        policy.check_url("https://example.com/")
        with pytest.raises(EgressRefused, match="must begin with https://"):
            policy.check_url("http://example.com/")

    @pytest.mark.parametrize(
        "url", ["http://u:hunter2@h.example/", "http://h.example:22/?token=hunter2", "http://hunter2@[::1"]
    )
    def test_a_refusal_does_not_repeat_secrets(self, url: str) -> None:
        with pytest.raises(EgressRefused) as refusal:
            EgressPolicy().check_url(url)
        assert "hunter2" not in str(refusal.value)
