"""Tools of MCP servers, listed and called by the fabric: a model sees functions, the client what became of them.

session.update ──▶ mcp_list_tools item ── ListMcpTools ──▶ shell ──▶ `listed`: the worker gets the functions
function call  ──▶ mcp_call item ──────── CallMcpTool ───▶ shell ──▶ `called`: the worker gets the result
└─▶ mcp_approval_request item ◀── the client's mcp_approval_response, if approval is wanted
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from transceiver.realtime import to_worker
from transceiver.realtime.conversation import Conversation
from transceiver.realtime.effects import CallMcpTool, ListMcpTools, Outbox
from transceiver.realtime.errors import EventError
from transceiver.realtime.ids import new_id
from transceiver.realtime.schema import server_events
from transceiver.realtime.schema.items import (
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpError,
    McpListedTool,
    McpListTools,
)
from transceiver.realtime.schema.session import MAX_TOOLS, FunctionTool, McpTool, McpToolFilter, Tool

MAX_CALLS_UNDER_WAY = 16
"""Calls and approvals that one session may wait for; further calls fail."""


@dataclass(slots=True)
class _Server:
    """One server that the session names. `tools` is empty until it has answered."""

    tool: McpTool
    item: McpListTools
    tools: dict[str, McpListedTool] = field(default_factory=dict)


@dataclass(slots=True)
class _UnderWay:
    """A call that a server is working on. `call_id` is the worker's; `finished` tells the response, if it waits."""

    item: McpCall
    call_id: str
    output_index: int
    finished: Callable[[McpCall], None] | None


class McpTools:
    """The MCP servers of one session, and the calls of their tools."""

    def __init__(self, outbox: Outbox, conversation: Conversation) -> None:
        self._outbox = outbox
        self._conversation = conversation
        self._servers: dict[str, _Server] = {}
        self._under_way: dict[str, _UnderWay] = {}
        self._asked: dict[str, tuple[McpApprovalRequest, str]] = {}

    # What there is

    def configure(self, tools: Iterable[Tool]) -> None:
        """Asks the servers that are new, or named otherwise than before, what they have; forgets those left out."""
        named = {tool.server_label: tool for tool in tools if isinstance(tool, McpTool)}
        self._servers = {label: each for label, each in self._servers.items() if named.get(label) == each.tool}
        for label, tool in named.items():
            if label not in self._servers:
                item = McpListTools(id=new_id("mcpl"), status="in_progress", server_label=label, tools=[])
                self._servers[label] = _Server(tool, item)
                self._forget(self._conversation.append(item))
                self._outbox.event(server_events.mcp_list_tools("in_progress", item.id))
                self._outbox.add(ListMcpTools(item.id, tool))

    def listed(self, item_id: str, tools: Sequence[McpListedTool] | None) -> bool:
        """A server has said what it has (None: it could not be asked). Whether there are more functions now."""
        server = next((each for each in self._servers.values() if each.item.id == item_id), None)
        if server is None:
            return False
        allowed = [each for each in tools or () if _is_allowed(server.tool, each)][:MAX_TOOLS]
        server.tools = {each.name: each for each in allowed}
        server.item.tools = allowed
        server.item.status = "completed"
        self._outbox.event(server_events.mcp_list_tools("failed" if tools is None else "completed", item_id))
        self._conversation.finish(server.item)
        return bool(allowed)

    def functions(self, tools: Iterable[Tool]) -> list[FunctionTool]:
        """The tools as a worker knows them: functions, those of MCP servers among them as far as they are listed."""
        functions = [tool for tool in tools if isinstance(tool, FunctionTool)]
        taken = {function.name for function in functions}
        for tool in tools:
            server = self._servers.get(tool.server_label) if isinstance(tool, McpTool) else None
            for each in server.tools.values() if server is not None else ():
                if each.name not in taken:
                    taken.add(each.name)
                    functions.append(_as_function(each))
        return functions[:MAX_TOOLS]

    # What is called

    def begin(self, name: str, own: Iterable[Tool]) -> McpCall | McpApprovalRequest | None:
        """The item for a call of this function; None where it is not a server's but the client's own."""
        if any(isinstance(tool, FunctionTool) and tool.name == name for tool in own):
            return None
        for label, server in self._servers.items():
            if (listed := server.tools.get(name)) is not None:
                if _needs_approval(server.tool, listed):
                    return McpApprovalRequest(
                        id=new_id("mcpr"), status="in_progress", server_label=label, name=name, arguments=""
                    )
                return McpCall(id=new_id("mcp"), status="in_progress", server_label=label, name=name, arguments="")
        return None

    def run(
        self, item: McpCall, call_id: str, output_index: int = 0, finished: Callable[[McpCall], None] | None = None
    ) -> None:
        """The arguments are complete: the server is called."""
        server = self._servers.get(item.server_label)
        self._under_way[item.id] = _UnderWay(item, call_id, output_index, finished)
        self._outbox.event(server_events.mcp_call("in_progress", item.id, output_index))
        if server is None or len(self._under_way) > MAX_CALLS_UNDER_WAY:
            fault = "The server is gone." if server is None else "Too many calls are under way."
            self.called(item.id, None, McpError(type="tool_execution_error", message=fault))
        else:
            self._outbox.add(CallMcpTool(item.id, server.tool, item.name, item.arguments))

    def called(self, item_id: str, output: str | None, error: McpError | None = None) -> None:
        """A server has answered, or failed to."""
        call = self._under_way.pop(item_id, None)
        if call is None:
            return
        item = call.item
        result = output if error is None else f"Error: {error.message}"
        self._outbox.worker(to_worker.tool_result(item.id, call.call_id, result or ""))
        if item.status != "in_progress":
            # Its response was ended meanwhile.
            return
        item.output, item.error, item.status = output, error, "completed"
        self._outbox.event(
            server_events.mcp_call("completed" if error is None else "failed", item_id, call.output_index)
        )
        if call.finished is not None:
            call.finished(item)
        else:
            self._conversation.finish(item)

    # What is approved

    def ask(self, item: McpApprovalRequest, call_id: str) -> None:
        """The call waits for the client's word."""
        self._asked[item.id] = (item, call_id)
        while len(self._asked) > MAX_CALLS_UNDER_WAY:
            del self._asked[next(iter(self._asked))]

    def check_answer(self, answer: McpApprovalResponse) -> None:
        """Raises EventError where nothing is waiting for this answer."""
        if answer.approval_request_id not in self._asked:
            message = f"No approval request with id '{answer.approval_request_id[:64]}' is waiting for a response."
            raise EventError(message, code="invalid_value", param="item.approval_request_id")

    def answered(self, answer: McpApprovalResponse) -> None:
        """The client has approved the call, or has not."""
        request, call_id = self._asked.pop(answer.approval_request_id)
        if not answer.approve:
            why = f": {answer.reason}" if answer.reason else "."
            self._outbox.worker(to_worker.tool_result(request.id, call_id, f"The call was not approved{why}"))
            return
        call = McpCall(
            id=new_id("mcp"),
            status="in_progress",
            server_label=request.server_label,
            name=request.name,
            arguments=request.arguments,
            approval_request_id=request.id,
        )
        self._forget(self._conversation.append(call))
        self.run(call, call_id)

    def _forget(self, evicted: Iterable[str]) -> None:
        for item_id in evicted:
            self._outbox.worker(to_worker.deleted(item_id))


def _as_function(tool: McpListedTool) -> FunctionTool:
    return FunctionTool(type="function", name=tool.name, description=tool.description, parameters=tool.input_schema)


def _is_allowed(server: McpTool, tool: McpListedTool) -> bool:
    match server.allowed_tools:
        case None:
            return True
        case McpToolFilter() as wanted:
            return _matches(wanted, tool)
        case names:
            return tool.name in names


def _needs_approval(server: McpTool, tool: McpListedTool) -> bool:
    """Approval is the rule: only `never`, or a filter of that name that matches, does without."""
    wanted = server.require_approval
    if wanted is None or isinstance(wanted, str):
        return wanted != "never"
    if wanted.always is not None and _matches(wanted.always, tool):
        return True
    return wanted.never is None or not _matches(wanted.never, tool)


def _matches(wanted: McpToolFilter, tool: McpListedTool) -> bool:
    """Every condition of a filter holds, as far as it has one."""
    by_name = wanted.tool_names is None or tool.name in wanted.tool_names
    by_kind = wanted.read_only is None or bool(tool.annotations.get("readOnlyHint")) == wanted.read_only
    return by_name and by_kind
