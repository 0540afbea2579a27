"""The egress guard: which addresses users may make jetcron call.

A URL is written by a user and called from inside our network, so without a guard it reads cloud metadata
and knocks on private services (OWASP API7:2023, server-side request forgery). What a name means is only known when
it is resolved, and may change a moment later; so the addresses are judged at the connect itself, not before.
"""

import re
import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp
import yarl
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.domain.urls import url_problem

MAX_URL_LENGTH = 2048
CONNECT_TIMEOUT_SECONDS = 5.0
"""For one address, TCP and TLS handshakes together; the next address of the name is tried after it."""
STALLED_UPLOAD_SECONDS = 60
"""After this the kernel drops a connection whose peer takes no data: aiohttp closes one only when its last byte is
sent, so a peer that never reads could hold sockets open long after their calls have ended (RFC 5482)."""

# The ports that browsers refuse (https://fetch.spec.whatwg.org/#port-blocking): services that read an HTTP request
# as commands of their own, such as SMTP and IRC. Every other port stays usable: receivers do listen on 8443 or 3000.
_BROWSER_BLOCKED_PORTS = """
    0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123
    135 137 139 143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993
    995 1719 1720 1723 2049 3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080
"""
# Data stores that never speak HTTP: an exempt network usually holds them too (SQL Server, MySQL, NATS, PostgreSQL,
# NATS routes, Redis, memcached, MongoDB).
_DATA_STORE_PORTS = frozenset([1433, 3306, 4222, 5432, 6222, 6379, 11211, 27017])
REFUSED_PORTS = frozenset(map(int, _BROWSER_BLOCKED_PORTS.split())) | _DATA_STORE_PORTS

# A host after IDNA: names, numbers, IPv6. No percent signs, so neither encoded digits nor scopes get through.
_HOST = re.compile(r"[a-z0-9._:-]+")

PRIVATE_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    map(
        ip_network,
        (
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "::1/128",
            "fc00::/7",
        ),
    )
)
"""Where services of one's own live: for policies whose one origin the operator chose. Link-local is not among them: most
clouds have their metadata there."""

# What `is_global` lets through, or lets through in some versions of Python, although it is no public host.
_NOT_PUBLIC: tuple[tuple[IPv4Network | IPv6Network, str], ...] = (
    (ip_network("168.63.129.16/32"), "Azure's platform address"),
    (ip_network("192.0.0.0/24"), "reserved for protocol assignments (RFC 6890)"),
    (ip_network("192.88.99.0/24"), "a 6to4 relay (RFC 7526)"),
    (ip_network("2002::/16"), "a 6to4 address (RFC 7526)"),
    (ip_network("3fff::/20"), "reserved for documentation (RFC 9637)"),
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # IANA has given out nothing else (registry "IPv6 Address Space")
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 destination is in the last 32 bits


class EgressRefused(Exception):
    """The call is not allowed to leave; the message is fit for whoever wrote the URL: host and reason, nothing secret."""

    def __init__(self, subject: str, reason: str) -> None:
        super().__init__(f"{subject} {reason}")
        self.reason = reason
        """The rest of the sentence, for where not even the host may be named."""


@dataclass(frozen=True)
class EgressPolicy:
    """What may be called. `allowed_networks` are exempt from the block of everything that is not public."""

    allowed_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    require_https: bool = False
    only_origin: yarl.URL | None = None
    """Where it is set, nothing is called but this scheme, host and port."""

    def check_url(self, url: str) -> yarl.URL:
        """The URL as it will be dialled; EgressRefused if its form alone forbids that. Addresses are judged later."""
        problem = url_problem(url, require_https=self.require_https, max_length=MAX_URL_LENGTH)
        if problem is not None:
            raise EgressRefused("the URL", problem)
        try:
            parsed = yarl.URL(url)
        except ValueError as error:  # its message quotes the URL, which may hold a password
            raise EgressRefused("the URL", "is not a valid URL") from error
        host = parsed.raw_host
        if not host or not _HOST.fullmatch(host):
            raise EgressRefused("the URL", "names no valid host")
        if parsed.port in REFUSED_PORTS:
            raise EgressRefused(f"port {parsed.port} of {host}", "does not speak HTTP")
        self.check_origin(parsed)
        return parsed

    def check_origin(self, url: yarl.URL) -> None:
        """EgressRefused if the policy is for another origin."""
        if self.only_origin is not None and url.origin() != self.only_origin:
            raise EgressRefused("the URL", f"is not one of {self.only_origin}")

    def check_address(self, address: str) -> None:
        """EgressRefused unless the IP address is public or exempt."""
        reason = self.refusal(address)
        if reason is not None:
            raise EgressRefused(address, f"is {reason}")

    def refusal(self, address: str) -> str | None:
        """Why the address may not be called ("a private address"), or None if it may."""
        try:
            ip = ip_address(address)
        except ValueError:
            return "not an IP address"
        if isinstance(ip, IPv6Address) and ip.scope_id is not None:
            return "bound to one of this machine's interfaces"
        # A mapped address is an IPv4 connection to the kernel, so a network exempted as IPv4 exempts it too. The other
        # forms that carry an IPv4 address go to a translator elsewhere: that network does not name them.
        destination = ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip
        if any(ip in network or destination in network for network in self.allowed_networks):
            return None
        return _not_public(destination)


def guarded_session(
    policy: EgressPolicy,
    *,
    limit: int = 64,
    limit_per_host: int = 8,
    resolver: AbstractResolver | None = None,
) -> aiohttp.ClientSession:
    """A client session that connects only where the policy allows; every request makes a connection of its own.

    Neither connections nor answers of the resolver are reused: each call meets the guard anew. Callers pass
    `allow_redirects=False`; a redirect that is followed all the same meets the guard too. Both limits bound connections
    (0: no bound); waiting for one counts as time of the call.
    """

    def checked_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        # Numeric hosts never reach the resolver: this is where they are judged.
        policy.check_address(str(address[0]))
        checked = socket.socket(family=family, type=kind, proto=protocol)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            checked.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_UPLOAD_SECONDS * 1000)
        return checked

    async def stay_at_origin(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        policy.check_origin(request.url)
        return await handler(request)

    tls = ssl.create_default_context()
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    connector = aiohttp.TCPConnector(
        limit=limit,
        limit_per_host=limit_per_host,
        resolver=_GuardedResolver(policy, resolver or aiohttp.ThreadedResolver()),
        use_dns_cache=False,
        socket_factory=checked_socket,
        ssl=tls,
        force_close=True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
        middlewares=(stay_at_origin, _send_once),
    )


class _GuardedResolver(AbstractResolver):
    """Refuses a name as soon as one of its addresses is refused: a mixed answer is rebinding, not a mistake."""

    def __init__(self, policy: EgressPolicy, inner: AbstractResolver) -> None:
        self._policy = policy
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        answers = await self._inner.resolve(host, port, family)
        if not answers:  # aiohttp asserts that there is one
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        for answer in answers:
            reason = self._policy.refusal(answer["host"])
            if reason is not None:
                # Not the address itself: the owner of a job need not learn what our internal names resolve to.
                raise EgressRefused(host, f"resolves to an address that is {reason}")
        return answers

    async def close(self) -> None:
        await self._inner.close()


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending an idempotent request again when the server hangs up on it.

    Its second sending would be a call that nobody claimed or recorded; it does that for the two types caught here only.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("the connection broke before a response") from error


def _not_public(ip: IPv4Address | IPv6Address) -> str | None:
    if isinstance(ip, IPv6Address) and ip in _NAT64:
        ip = IPv4Address(int(ip) & 0xFFFF_FFFF)
    for network, reason in _NOT_PUBLIC:
        if ip in network:
            return reason
    checks = (
        (ip.is_unspecified, "the unspecified address"),
        (ip.is_loopback, "a loopback address"),
        (ip.is_link_local, "a link-local address"),
        (ip.is_multicast, "a multicast address"),
        (ip.is_private, "a private address"),
        # IPv4 inside IPv6 (compatible, translated, NAT64's local prefix of RFC 8215) is outside of it as well, and
        # Teredo is private to `ipaddress`: whatever they carry, they are refused.
        (isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST, "outside the public address space"),
        (not ip.is_global, "outside the public address space"),
    )
    return next((reason for refused, reason in checks if refused), None)
