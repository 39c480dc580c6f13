"""Checks every request before it reaches a page or the API: its host, its origin, its size."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from holdfast.core.errors import ConfigurationError, Problem
from holdfast.core.settings import Settings
from holdfast.web.errors import BodyTooLarge, log, log_unexpected, problem, problem_of, problem_of_unexpected
from holdfast.web.prefix import Prefix, address_of

MAX_BODY = 1024 * 1024
MAX_BULK_BODY = 16 * MAX_BODY
DRAINED = 32 * MAX_BODY
"""How much of a refused body is still read, so that the client receives the response."""

BODY_PART_TIMEOUT = 20.0
"""Seconds that may pass between two parts of a body."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # under no-referrer, browsers send our own forms with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
PUBLIC = ("/health/", "/api/v1/health/", "/static/")
"""Allowed under any Host: probes of proxies and orchestrators rarely send ours, and there is nothing to protect."""

EVERYWHERE = frozenset({"0.0.0.0", "[::]", ""})  # noqa: S104 - to be refused, not bound


def check_bind(settings: Settings) -> None:
    """Raise ConfigurationError when the server would listen where strangers can reach it: there is no sign-in yet."""
    if not _is_loopback(settings.host):
        reason = (
            f"{settings.host or 'every address'} is not a loopback address, and sign-in does not exist yet: anyone who "
            "reaches the port could run and cancel jobs. Bind 127.0.0.1, or put your own proxy with authentication in front."
        )
        raise ConfigurationError([Problem(("host",), reason)])


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """The outermost layer, for HTTP and WebSocket and every method: Host, origin, size of the body, security headers, and
    the handler of unexpected errors."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        is_address: Callable[[Scope, str], bool],
        page: Callable[[Scope, int, str, str], Response | None],
        limits: Mapping[str, int] | None = None,
    ) -> None:
        """`is_address`: whether a path has a route. `page`: the page for a status, a title and a detail, or None when the
        request does not come from a browser. `limits`: the largest body of an address, where it is not MAX_BODY."""
        self._app = app
        self._page = page
        self._prefix = Prefix(settings.root_path, settings.proxy_prefix, is_address)
        self._limits = dict(limits or {})
        bound = (
            f"[{settings.host}]"
            if ":" in settings.host and not settings.host.startswith("[")
            else settings.host
        )
        named = {_host_name(name.lower()) for name in (bound, *settings.allowed_hosts)}
        self._hosts = LOOPBACK_NAMES | {name for name in named if name} - EVERYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        self._prefix.apply(scope)
        refusal = self._refuse(scope)
        if refusal is not None:
            await _respond(refusal, scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await self._serve_socket(scope, receive, _with_headers(send))
        else:
            await self._serve(scope, receive, send)

    def _refuse(self, scope: Scope) -> Response | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        host = hosts[0].decode("latin-1").lower() if len(hosts) == 1 else ""
        name = _host_name(host)
        if name not in self._hosts and not address_of(scope).startswith(PUBLIC):
            shown = f"The Host header names {name[:100]}" if name else "The Host header names no host"
            detail = (
                f"{shown}, which is not a name of this server. Names beside localhost are listed in the setting "
                "allowed_hosts (HOLDFAST_ALLOWED_HOSTS)."
            )
            return self._refusal(scope, 400, "Not a host of this server", detail, "host_not_allowed")
        headers = Headers(scope=scope)
        if _is_foreign(headers, scope.get("method"), host):
            origin = headers.get("origin", "")
            detail = (
                "The request was sent by a page of another site; only pages of this server and programs may ask. "
                f"Its Origin is {origin[:100] or 'not stated'}, the Host of this server is {host[:100] or 'not stated'}. "
                "If both are this server behind a proxy, let the proxy pass on the Host header with its port, and list "
                "the name in the setting allowed_hosts (HOLDFAST_ALLOWED_HOSTS)."
            )
            return self._refusal(scope, 403, "Not from another site", detail, "foreign_origin")
        return None

    def _refusal(self, scope: Scope, status: int, title: str, detail: str, code: str) -> Response:
        return self._page(scope, status, title, detail) or problem(status, detail, code=code, title=title)

    async def _serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:
            log_unexpected(error, "WEBSOCKET", scope["path"])
            await send({"type": "websocket.close", "code": 1011})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        out = _with_headers(watched)
        limit = self._limits.get(address_of(scope), MAX_BODY)
        body = _Body(scope, receive, limit)
        try:
            if body.declared > limit:
                await body.refuse()
            await self._app(scope, body.receive, out)
        except BodyTooLarge as error:
            page = self._page(scope, error.status, error.title, error.detail)
            await _respond(page or problem_of(error), scope, receive, out)
        except ClientDisconnect:
            log.debug(
                "client disconnected before the body was complete",
                method=scope["method"],
                path=scope["path"][:200],
            )
        except Exception as error:
            error_id = log_unexpected(error, scope["method"], scope["path"])
            if started:
                raise
            detail = f"No job is lost. The server logged what happened as {error_id}."
            page = self._page(scope, 500, "Something went wrong on the server", detail)
            await _respond(page or problem_of_unexpected(error_id), scope, receive, out)


class _Body:
    """The body of one request: counted, and read with a timeout."""

    def __init__(self, scope: Scope, receive: Receive, limit: int) -> None:
        headers = Headers(scope=scope)
        length = headers.get("content-length", "")
        self.declared = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else 0
        self._expects_continue = "expect" in headers
        self._receive = receive
        self._limit = limit
        self._seen = 0
        self._whole = False

    async def receive(self) -> Message:
        if self._whole:
            return await self._receive()  # only the end of the connection can come now
        message = await self._next()
        if self._seen > self._limit:
            await self.refuse()
        return message

    async def refuse(self) -> None:
        """Read what the client still sends, within bounds, and raise BodyTooLarge."""
        if not self._expects_continue and self.declared <= DRAINED:
            while not self._whole and self._seen <= DRAINED:
                await self._next()
        raise BodyTooLarge(f"The body may have at most {self._limit:,} bytes.")

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout(BODY_PART_TIMEOUT):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "The body did not arrive in time.", {"Connection": "close"}) from None
        self._seen += len(message.get("body", b""))
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
            if message["status"] in (408, 413):
                headers["Connection"] = "close"
        await send(message)

    return sending


async def _respond(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
        return
    await response(scope, receive, send)


def _host_name(host: str) -> str:
    """The host without its port; "" for an invalid one."""
    if host.startswith("["):
        name, bracket, port = host.partition("]")
        return f"{name}]" if bracket and (not port or (port[0] == ":" and port[1:].isdigit())) else ""
    name, colon, port = host.partition(":")
    return name if not colon or (port.isascii() and port.isdigit()) else ""


def _is_foreign(headers: Headers, method: str | None, host: str) -> bool:
    """Whether a page of another site made a browser send this. Browsers send one of the headers, programs send neither."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        followed = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        return site not in ("same-origin", "none") and not followed
    origin = headers.get("origin")
    if origin is None:
        return False
    parts = urlsplit(origin.lower())
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(default) != host.removesuffix(default) or not parts.netloc
