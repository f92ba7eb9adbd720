"""Whether a request to a function URL may run the function, and as whom.

AuthType NONE: anyone, if the function's resource policy allows `*` both actions that AWS asks for
since October 2025 (api.md section 9.1). AWS_IAM: who signs with a key of the account (SigV4, service
`lambda`), which acts as the account's root: its identity policy allows everything, so that only an
explicit Deny of the resource policy can refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from lambd.access.actions import INVOKE_FUNCTION, INVOKE_FUNCTION_URL
from lambd.access.authority import Authority
from lambd.access.principals import ANYONE
from lambd.access.sigv4 import Key, is_signed, verify
from lambd.http.messages import Request
from lambd.model.arns import LATEST, FunctionReference, Scope
from lambd.model.errors import (
    AccessDeniedError,
    IncompleteSignatureError,
    InvalidSignatureError,
    UnrecognizedClientError,
)
from lambd.model.policies import Principal
from lambd.model.settings import FunctionUrl, UrlAuthType
from lambd.urls.events import UrlCaller

FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
_ACTIONS = (INVOKE_FUNCTION_URL, INVOKE_FUNCTION)


class UrlAccess:
    """See the module header."""

    def __init__(
        self,
        *,
        authority: Authority,
        scope: Scope,
        keys: Mapping[str, Key],
    ) -> None:
        """Args:
        keys: the account's, by access key id.
        """
        self._authority = authority
        self._scope = scope
        self._keys = keys

    async def check(self, url: FunctionUrl, request: Request) -> UrlCaller | None:
        """Let a request pass, or refuse it.

        Returns:
            Who signed it; None for a URL that anyone may call.

        Raises:
            AccessDeniedError: it is not allowed, or not signed and should be.
            InvalidSignatureError, IncompleteSignatureError, UnrecognizedClientError: it is not
                signed as it should be.
        """
        if url.auth_type is UrlAuthType.NONE:
            await self._authorise(url, request, ANYONE)
            return None
        if not is_signed(request):
            raise AccessDeniedError(FORBIDDEN)
        now = datetime.now(UTC)  # noqa: TID251 - an edge
        access_key = verify(request, keys=self._keys, region=self._scope.region, now=now)
        root = self._authority.root
        await self._authorise(url, request, root)
        account_id = self._scope.account_id
        return UrlCaller(
            access_key=access_key, account_id=account_id, user_arn=root.name, user_id=account_id
        )

    async def _authorise(self, url: FunctionUrl, request: Request, principal: Principal) -> None:
        qualifier = None if url.qualifier == LATEST else url.qualifier
        function = FunctionReference(name=url.function_name, qualifier=qualifier)
        keys = {
            "lambda:functionurlauthtype": (url.auth_type.value,),
            "lambda:invokedviafunctionurl": ("true",),
        }
        try:
            for action in _ACTIONS:
                pending = self._authority.authorise(principal, action, function, request, keys)
                if pending is not None:
                    await pending
        except AccessDeniedError:
            raise AccessDeniedError(FORBIDDEN) from None


SIGNATURE_ERRORS = (InvalidSignatureError, IncompleteSignatureError, UnrecognizedClientError)
