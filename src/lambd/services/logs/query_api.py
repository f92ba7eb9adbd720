"""The CloudWatch Logs API, the part of Logs Insights: queries that are started and asked after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambd.control.context import ControlContext
from lambd.model.arns import Scope
from lambd.model.errors import InvalidParameterError
from lambd.services.logs import insights
from lambd.services.logs.group_names import name_of
from lambd.services.logs.insights_syntax import parse_query
from lambd.services.logs.query_process import QueryTask
from lambd.services.logs.query_runs import QueryRun, QueryRuns, QueryStatus
from lambd.services.logs.store import LogStore
from lambd.services.service import Handler

_GROUPS = ("logGroupName", "logGroupNames", "logGroupIdentifiers")
_MAX_GROUPS = 50
_DESCRIBED = 1000


class QueryApi:
    """Answers the operations; safe for concurrent calls."""

    def __init__(self, store: LogStore, runs: QueryRuns) -> None:
        self._store = store
        self._runs = runs

    def handlers(self) -> dict[str, Handler]:
        """The operations that are answered."""
        return {
            "StartQuery": self._start,
            "GetQueryResults": self._results,
            "StopQuery": self._stop,
            "DescribeQueries": self._describe,
        }

    async def _start(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        if params.get("queryLanguage", "CWLI") != "CWLI":
            raise InvalidParameterError("lambd knows the query language CWLI only.")
        groups = _groups_of(context.scope, params)
        start_s, end_s = params["startTime"], params["endTime"]
        if start_s > end_s:
            raise InvalidParameterError("Query's end date and time must be after its start.")
        insights.check(parse_query(params["queryString"]))
        for group in groups:
            await self._store.check_group(group)
        task = QueryTask(
            path=str(self._store.path),
            account_id=context.scope.account_id,
            groups=groups,
            start_ms=start_s * 1000,
            end_ms=end_s * 1000 + 999,
            query=params["queryString"],
            limit=params.get("limit"),
        )
        return {"queryId": self._runs.start(task, int(context.now.timestamp() * 1000)).id}

    async def _results(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        """All rows at once."""
        del context
        if "nextToken" in params or "maxItems" in params:
            raise InvalidParameterError("Pages of query results are not supported yet.")
        run = self._runs.find(params["queryId"])
        answer = run.answer
        return {
            "queryLanguage": "CWLI",
            "results": [
                [{"field": name, "value": value} for name, value in row] for row in answer.rows
            ],
            "statistics": {
                "recordsMatched": float(answer.matched),
                "recordsScanned": float(answer.scanned),
                "bytesScanned": float(answer.scanned_bytes),
                "estimatedRecordsSkipped": 0.0,
                "estimatedBytesSkipped": 0.0,
                "logGroupsScanned": float(len(run.task.groups)),
            },
            "status": run.status,
        }

    async def _stop(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        del context
        if not self._runs.stop(params["queryId"]):
            raise InvalidParameterError("Query is already in end status.")
        return {"success": True}

    async def _describe(self, context: ControlContext, params: Mapping[str, Any]) -> dict[str, Any]:
        del context
        if params.get("queryLanguage", "CWLI") != "CWLI":
            return {"queries": []}
        group, status = params.get("logGroupName"), params.get("status")
        found = [
            _members(run)
            for run in self._runs.all()
            if (group is None or group in run.task.groups)
            and (status is None or run.status == QueryStatus(status))
        ]
        return {"queries": found[: params.get("maxResults", _DESCRIBED)]}


def _groups_of(scope: Scope, params: Mapping[str, Any]) -> list[str]:
    given = [name for name in _GROUPS if params.get(name)]
    if len(given) != 1:
        raise InvalidParameterError(f"Exactly one of {', '.join(_GROUPS)} must be given.")
    value = params[given[0]]
    names = [value] if isinstance(value, str) else value
    if len(names) > _MAX_GROUPS:
        raise InvalidParameterError(f"A query looks at {_MAX_GROUPS} log groups at most.")
    return sorted({name_of(scope, name) for name in names})


def _members(run: QueryRun) -> dict[str, Any]:
    return {
        "queryLanguage": "CWLI",
        "queryId": run.id,
        "queryString": run.task.query,
        "status": run.status,
        "createTime": run.created_ms,
        "logGroupName": run.task.groups[0],
    }
