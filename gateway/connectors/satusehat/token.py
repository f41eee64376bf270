"""SATUSEHAT's access token: one for a facility, fetched once for all who wait, renewed before it expires.

Source: reference satusehat.md §1 (Apigee client credentials; `expires_in` is text; there is no refresh token).
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import msgspec

from gateway.connectors.errors import Unavailable
from gateway.connectors.satusehat.replies import failure
from gateway.connectors.wire import NoReply, Observer, Wire
from gateway.settings import SatusehatAccount

RENEW_BEFORE_S = 300.0


class AccessToken:
    """The token of one client id. A token that lives shorter than ten minutes is renewed at half its life."""

    def __init__(self, account: SatusehatAccount, wire: Wire, clock: Callable[[], float] = time.monotonic) -> None:
        self._account, self._wire, self._clock = account, wire, clock
        self._url = f"{account.auth_url.rstrip('/')}/accesstoken?grant_type=client_credentials"
        self._flight = asyncio.Lock()
        self._value, self._renew_at = "", 0.0

    async def get(self, on_exchange: Observer, *, not_this: str | None = None) -> str:
        """A valid token; `not_this` is one that was just refused, so that of many who saw it refused one renews it.

        Raises Misconfigured where the credentials are refused, Unavailable where no token can be had now.
        """
        async with self._flight:
            if self._clock() >= self._renew_at or self._value == not_this:
                await self._fetch(on_exchange)
            return self._value

    async def _fetch(self, on_exchange: Observer) -> None:
        secrets = {
            "client_id": self._account.client_id,
            "client_secret": self._account.client_secret.get_secret_value(),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        asked = self._clock()
        try:
            exchange = await self._wire.send("POST", self._url, headers, urlencode(secrets).encode())
        except NoReply as silence:
            on_exchange(replace(silence.exchange, body=b"***"))
            raise silence.as_error(changes=False) from silence
        refused = failure(exchange, changes=False)
        on_exchange(replace(exchange, body=b"***", reply=exchange.reply if refused else b"***"))
        if refused:
            raise refused
        try:
            reply = msgspec.json.decode(exchange.reply or b"")
            self._value, life = str(reply["access_token"]), float(reply["expires_in"])
        except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise Unavailable("satusehat: the token endpoint answered something that is not a token") from error
        self._renew_at = asked + max(life - RENEW_BEFORE_S, life / 2)
