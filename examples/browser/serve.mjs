// A page that talks: node serve.mjs, then open http://127.0.0.1:8000. The page gets an ephemeral key, never yours.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';

const { OPENAI_BASE_URL, OPENAI_API_KEY, MODEL = 'agent', PORT = '8000' } = process.env;
const here = new URL('.', import.meta.url);
const bundle = new URL('../javascript/node_modules/@openai/agents-realtime/dist/bundle/', here);

/** An ephemeral key with the session that it is good for. */
async function mint() {
  const answer = await fetch(`${OPENAI_BASE_URL}/realtime/client_secrets`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${OPENAI_API_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ session: { type: 'realtime', model: MODEL } }),
  });
  const { value } = await answer.json();
  return { key: value, calls: `${OPENAI_BASE_URL}/realtime/calls` };
}

const server = createServer(async ({ url }, response) => {
  const { pathname } = new URL(url, 'http://localhost');
  if (pathname === '/key') return response.end(JSON.stringify(await mint()));
  const file = pathname === '/' ? new URL('index.html', here) : new URL(pathname.split('/').at(-1), bundle);
  try {
    const content = readFileSync(file);
    response.setHeader('Content-Type', pathname === '/' ? 'text/html' : 'text/javascript');
    return response.end(content);
  } catch {
    return response.writeHead(404).end();
  }
});
server.listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
