"""The whole tree of platform errors, and the error-type strings that functions see.

A class per *reaction* of the caller, fields for details. What a function did wrong is never one of
these: function errors are values (`InvocationResult.function_error`). `wire/errors.py` and the
`errors.py` of each service map a class to an AWS error shape and so to a status.
"""

from __future__ import annotations


class PlatformError(Exception):
    """Something on our side, or on the caller's, kept a request from being served."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n")[0])

    @property
    def message(self) -> str:
        """The text the caller reads."""
        return str(self.args[0])


class NotFoundError(PlatformError):
    """The resource you requested does not exist."""


class ProvisionedConcurrencyNotFoundError(PlatformError):
    """No Provisioned Concurrency Config found for this function"""

    # The text is AWS's, without a full stop (`ProvisionedConcurrencyConfigNotFoundException`).


class ScalableResourceNotFoundError(NotFoundError):
    """No scalable target has this ARN (`ResourceNotFoundException` of Application Auto Scaling)."""


class ConflictError(PlatformError):
    """The operation conflicts with the resource's current state."""


class InvalidParameterError(PlatformError):
    """A parameter is not valid for this service (`InvalidParameterValueException`)."""


class AccountLimitError(InvalidParameterError):
    """More than the account may have; what AWS answers then has no `Type`."""


class InvalidTokenError(InvalidParameterError):
    """The provided marker is invalid."""


class TooManyTagsError(InvalidParameterError):
    """A resource would have more tags than it may (`TooManyTagsException`)."""


class QuotaExceededError(InvalidParameterError):
    """There are as many of a kind as there may be (`LimitExceededException`)."""


class ConstraintViolationError(PlatformError):
    """A model constraint was violated (`ValidationException`)."""


class MalformedRequestError(PlatformError):
    """The request body could not be parsed (`SerializationException`)."""


class UnknownOperationError(PlatformError):
    """No operation matches this method and path (`UnknownOperationException`)."""


class UnimplementedOperationError(PlatformError):
    """The operation exists in AWS Lambda and is not built yet (`NotImplemented`, status 501)."""


class PreconditionFailedError(PlatformError):
    """The RevisionId given is not the resource's latest (`PreconditionFailedException`)."""


class RequestTooLargeError(PlatformError):
    """An invocation payload is over its limit (`RequestTooLargeException`)."""


class RequestEntityTooLargeError(PlatformError):
    """A control-plane request is over its limit (`RequestEntityTooLargeException`)."""


class InvalidRequestContentError(PlatformError):
    """The invocation payload is not JSON (`InvalidRequestContentException`)."""


class UnsupportedMediaTypeError(PlatformError):
    """The request's Content-Type is not supported (`UnsupportedMediaTypeException`)."""


class CodeStorageExceededError(PlatformError):
    """The account's code storage is full (`CodeStorageExceededException`)."""


class AliasLimitExceededError(PlatformError):
    """The function has as many aliases as it may (`AliasLimitExceededException`)."""


class PolicyLengthExceededError(PlatformError):
    """The resource's policy would be too long (`PolicyLengthExceededException`)."""


class RecursiveInvocationError(PlatformError):
    """A function invokes itself in a loop (`RecursiveInvocationException`)."""


class ArtifactError(PlatformError):
    """A stored archive could not be unpacked (`InvalidZipFileException`)."""


class AccessDeniedError(PlatformError):
    """The caller may not do this (`AccessDeniedException`)."""


class InvalidSignatureError(PlatformError):
    """The request's signature does not hold (`InvalidSignatureException`)."""


class IncompleteSignatureError(PlatformError):
    """The request's signature lacks parts (`IncompleteSignatureException`)."""


class UnrecognizedClientError(PlatformError):
    """The security token included in the request is invalid."""


class ThrottledError(PlatformError):
    """Rate Exceeded."""

    def __init__(self, reason: str, *, message: str | None = None) -> None:
        super().__init__(message)
        # One of AWS's ThrottleReason values.
        self.reason = reason


class SandboxError(PlatformError):
    """A sandbox could not be started or controlled; the caller is not to blame (`ServiceException`)."""


class UnavailableError(PlatformError):
    """The platform is stopping or a part it needs is not reachable (`ServiceException`)."""


# Error types in the payloads that callers of a function read (invoke.md section 2, runtime.md
# section 2). Sources: RIE `fatalerror.go`, AWS's Python runtime client.
RUNTIME_EXIT_ERROR = "Runtime.ExitError"
RUNTIME_OUT_OF_MEMORY = "Runtime.OutOfMemory"
RUNTIME_UNKNOWN = "Runtime.Unknown"
FUNCTION_UNKNOWN = "Function.Unknown"
RUNTIME_INVALID_ENTRYPOINT = "Runtime.InvalidEntrypoint"
RUNTIME_INVALID_RESPONSE_MODE = "Runtime.InvalidResponseModeHeader"
EXTENSION_CRASH = "Extension.Crash"
EXTENSION_EXIT_ERROR = "Extension.ExitError"
EXTENSION_INIT_ERROR = "Extension.InitError"
EXTENSION_LAUNCH_ERROR = "Extension.LaunchError"
RUNTIME_TRUNCATED_RESPONSE = "Runtime.TruncatedResponse"
FUNCTION_RESPONSE_SIZE_TOO_LARGE = "Function.ResponseSizeTooLarge"
SANDBOX_TIMED_OUT = "Sandbox.Timedout"
SANDBOX_FAILURE = "Sandbox.Failure"

# ThrottleReason values (invoke.md section 5).
CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ConcurrentInvocationLimitExceeded"
RESERVED_CONCURRENT_INVOCATION_LIMIT_EXCEEDED = "ReservedFunctionConcurrentInvocationLimitExceeded"
INVOCATION_RATE_LIMIT_EXCEEDED = "FunctionInvocationRateLimitExceeded"
RESERVED_INVOCATION_RATE_LIMIT_EXCEEDED = "ReservedFunctionInvocationRateLimitExceeded"
