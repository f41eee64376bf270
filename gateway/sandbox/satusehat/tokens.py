"""The simulated OAuth2 endpoint and its tokens, as Apigee answers them. Source: reference satusehat.md §1, §5."""

import secrets
import time
from typing import Any

from gateway.sandbox.seed import Account

LIFE_S = 3599


class Tokens:
    """Issued tokens: which account each belongs to and when it ends."""

    def __init__(self) -> None:
        self._issued: dict[str, tuple[Account, float]] = {}
        self.life_s = LIFE_S

    def issue(self, account: Account) -> dict[str, Any]:
        """A new token, in Apigee's words: numbers are texts."""
        token = secrets.token_urlsafe(21)
        self._issued[token] = (account, time.monotonic() + self.life_s)
        return {
            "refresh_token_expires_in": "0",
            "api_product_list": "[api-sandbox]",
            "api_product_list_json": ["api-sandbox"],
            "organization_name": "ihs-prod-1",
            "developer.email": "developer@example.org",
            "token_type": "BearerToken",
            "issued_at": str(int(time.time() * 1000)),
            "client_id": account.satusehat.client_id,
            "access_token": token,
            "application_name": account.organization_id,
            "scope": "",
            "expires_in": str(self.life_s),
            "refresh_count": "0",
            "status": "approved",
        }

    def owner(self, authorization: str) -> Account | str:
        """The account of a Bearer token, or Apigee's code for what is wrong with it."""
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer" or token not in self._issued:
            return "oauth.v2.InvalidAccessToken"
        account, ends = self._issued[token]
        return account if time.monotonic() < ends else "keymanagement.service.access_token_expired"

    def expire(self) -> None:
        """End every token now."""
        self._issued = {token: (account, 0.0) for token, (account, _) in self._issued.items()}
