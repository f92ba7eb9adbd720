"""Whether a request to a function URL may run the function, and as whom.

AuthType NONE: anyone, if the function's resource policy allows `*` both actions that AWS asks for
since October 2025 (api.md section 9.1). AWS_IAM: who signs with a key of the account (SigV4, service
`lambda`), which acts as the account's root: its identity policy allows everything, so that only an
explicit Deny of the resource policy can refuse it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Mapping
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
from lambd.model.function_controls import FunctionControls, FunctionUrl, UrlAuthType
from lambd.model.policies import Principal
from lambd.store.controls_cache import ControlsCache
from lambd.urls.events import UrlCaller

FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
# Condition keys whose values are the same for all requests to a URL.
_OF_URL = frozenset({"lambda:functionurlauthtype", "lambda:invokedviafunctionurl"})
# URLs that are known to be open to all.
_REMEMBERED = 10_000
_ACTIONS = (INVOKE_FUNCTION_URL, INVOKE_FUNCTION)


class UrlAccess:
    """See the module header."""

    def __init__(
        self,
        *,
        authority: Authority,
        controls: ControlsCache,
        scope: Scope,
        keys: Mapping[str, Key],
    ) -> None:
        """Args:
        authority: the judge.
        controls: what it judges by.
        scope: the account and its region.
        keys: the account's, by access key id.
        """
        self._authority = authority
        self._controls = controls
        self._scope = scope
        self._keys = keys
        # By id: a URL and the controls under which anyone may call it, whatever the request.
        self._open: dict[str, tuple[FunctionUrl, FunctionControls]] = {}

    def check(
        self, url: FunctionUrl, request: Request
    ) -> tuple[UrlCaller | None, Awaitable[None] | None]:
        """Let a request pass, or refuse it.

        Returns:
            Who signed it (None for a URL that anyone may call), and what to await before it has
            passed; None unless the store has to be asked.

        Raises:
            AccessDeniedError: it is not allowed (now or when awaited), or not signed and should be.
            InvalidSignatureError, IncompleteSignatureError, UnrecognizedClientError: it is not
                signed as it should be.
        """
        if url.auth_type is UrlAuthType.NONE:
            controls = self._controls.get_nowait(url.function_name)
            known = self._open.get(url.id)
            if known is not None and known[0] is url and known[1] is controls:
                return None, None
            judging = self._authorise(url, request, ANYONE)
            if judging is None and controls is not None and not _asks_of_request(controls):
                self._remember(url, controls)
            return None, judging
        if not is_signed(request):
            raise AccessDeniedError(FORBIDDEN)
        now = datetime.now(UTC)  # noqa: TID251 - an edge
        access_key = verify(request, keys=self._keys, region=self._scope.region, now=now)
        root = self._authority.root
        account_id = self._scope.account_id
        caller = UrlCaller(
            access_key=access_key, account_id=account_id, user_arn=root.name, user_id=account_id
        )
        return caller, self._authorise(url, request, root)

    def _authorise(
        self, url: FunctionUrl, request: Request, principal: Principal
    ) -> Awaitable[None] | None:
        judgements = self._judgements(url, request, principal)
        try:
            for pending in judgements:
                if pending is not None:
                    return _finish(pending, judgements)
        except AccessDeniedError:
            raise AccessDeniedError(FORBIDDEN) from None
        return None

    def _judgements(
        self, url: FunctionUrl, request: Request, principal: Principal
    ) -> Iterator[Awaitable[None] | None]:
        """Of each action that AWS asks for."""
        qualifier = None if url.qualifier == LATEST else url.qualifier
        function = FunctionReference(name=url.function_name, qualifier=qualifier)
        keys = {
            "lambda:functionurlauthtype": (url.auth_type.value,),
            "lambda:invokedviafunctionurl": ("true",),
        }
        for action in _ACTIONS:
            yield self._authority.authorise(principal, action, function, request, keys)

    def _remember(self, url: FunctionUrl, controls: FunctionControls) -> None:
        if len(self._open) >= _REMEMBERED:
            self._open.clear()
        self._open[url.id] = url, controls


async def _finish(judging: Awaitable[None], judgements: Iterator[Awaitable[None] | None]) -> None:
    """Have this judgement, and then the others."""
    try:
        await judging
        for pending in judgements:
            if pending is not None:
                await pending
    except AccessDeniedError:
        raise AccessDeniedError(FORBIDDEN) from None


def _asks_of_request(controls: FunctionControls) -> bool:
    """Whether the function's policies make it a matter of the request who may call."""
    return any(
        condition.key not in _OF_URL
        for policy in controls.policies.values()
        for statement in policy.statements
        for condition in statement.conditions
    )


SIGNATURE_ERRORS = (InvalidSignatureError, IncompleteSignatureError, UnrecognizedClientError)
