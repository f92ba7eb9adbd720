"""Taking an archive out of a request: from its body or from S3, off the event loop."""

from __future__ import annotations

import asyncio

from lambd.api.call import LambdaApi, Members
from lambd.control import archives
from lambd.model.errors import InvalidParameterError
from lambd.model.functions import Code


async def receive_archive(api: LambdaApi, source: Members, *, store: bool = True) -> Code:
    """Check the archive that a `FunctionCode` or a layer's `Content` describes, and store it.

    Raises:
        InvalidParameterError: there is none or more than one, or it cannot be used.
        RequestEntityTooLargeError: it is over the limit of archives in requests.
    """
    archive = source.get("ZipFile")
    bucket, key = source.get("S3Bucket"), source.get("S3Key")
    if archive is not None and (bucket is not None or key is not None):
        raise InvalidParameterError(
            "Please do not provide other FunctionCode parameters when providing a ZipFile."
        )
    if archive is None and (bucket is None or key is None):
        raise InvalidParameterError("Please provide a source for function code.")
    return await asyncio.to_thread(
        _receive,
        api,
        archive,
        (bucket or "", key or "", source.get("S3ObjectVersion")),
        store,
    )


def _receive(
    api: LambdaApi, archive: bytes | None, s3: tuple[str, str, str | None], store: bool
) -> Code:
    if archive is not None:
        return _take(api, archive, store)
    with api.s3.fetch(*s3) as file:
        return _take(api, file, store)


def _take(api: LambdaApi, archive: archives.Archive, store: bool) -> Code:
    if store:
        return archives.receive_archive(archive, api.limits, api.blobs)
    return archives.check_archive(archive, api.limits)
