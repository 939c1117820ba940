// The Agents SDK in Node with the tools of an MCP server: listed, approved, called.
import { hostedMcpTool } from '@openai/agents-core';
import { RealtimeAgent, RealtimeSession } from '@openai/agents-realtime';
import { Events, words } from './conversation.mjs';
import { orders, report } from './script.mjs';

const town = hostedMcpTool({ serverLabel: 'town', serverUrl: orders.mcp, requireApproval: orders.approval });
const agent = new RealtimeAgent({ name: 'Assistant', instructions: 'Be brief.', tools: [town] });
const session = new RealtimeSession(agent, {
  transport: 'websocket',
  model: orders.model,
  config: { outputModalities: ['text'] },
});
const events = new Events();
const errors = [];
const approvals = [];
const completed = [];
let tools = [];
session.on('transport_event', (event) => events.add(event));
session.on('error', (error) => errors.push(error));
session.on('mcp_tools_changed', (listed) => (tools = listed.map((tool) => tool.name)));
session.on('mcp_tool_call_completed', (_context, _agent, call) => completed.push(call.output));
session.on('tool_approval_requested', (_context, _agent, request) => {
  approvals.push(request.approvalItem.name);
  session.approve(request.approvalItem);
});

await session.connect({ apiKey: orders.key, url: `${orders.url}/realtime?model=${orders.model}` });
await events.next('mcp_list_tools.completed');
session.sendMessage('How is the weather?');
await events.next('response.mcp_call.completed');
// The SDK asks for the next response itself.
const heard = await events.next((event) => event.type === 'response.done' && words(event.response).includes('I hear'));
session.close();
report({ tools, approvals, completed, written: words(heard.response), errors }, events.all);
