// The Agents SDK in Chromium, over WebRTC: serves a page with the SDK's own bundle, opens it, runs what is in it. As an
// application's server does, it mints an ephemeral key for the page, with openai-node.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import { chromium } from 'playwright-core';
import { orders, report } from './script.mjs';

const here = new URL('.', import.meta.url);
const bundle = new URL('../node_modules/@openai/agents-realtime/dist/bundle/', here);
const HTML = '<!doctype html><meta charset="utf-8"><audio autoplay></audio>';

/** Where a path of the page is: the SDK's bundle, the recordings, the modules beside this one. */
function find(path) {
  const [, folder, name] = path.split('/');
  if (folder === 'bundle') return new URL(name, bundle);
  if (folder === 'speech') return orders.speech[name];
  return new URL(folder, here);
}

const server = createServer(({ url }, response) => {
  if (url === '/') return response.setHeader('Content-Type', 'text/html').end(HTML);
  try {
    const content = readFileSync(find(url));
    response.setHeader('Content-Type', url.endsWith('js') ? 'text/javascript' : 'application/octet-stream');
    return response.end(content);
  } catch {
    return response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));

const browser = await chromium.launch({
  executablePath: orders.chromium,
  args: ['--no-sandbox', '--autoplay-policy=no-user-gesture-required'],
});
const page = await browser.newPage();
page.on('pageerror', (error) => console.error(error));
page.on('console', (message) => console.error(message.text()));
await page.goto(`http://127.0.0.1:${server.address().port}/`);
const client = new OpenAI({ baseURL: orders.url, apiKey: orders.key });
const secret = await client.realtime.clientSecrets.create({ session: { type: 'realtime', model: orders.model } });
const { events, ...result } = await page.evaluate(
  async (given) => (await import('/agents_page.mjs')).run(given),
  { url: orders.url, key: secret.value },
);
await browser.close();
report(result, events);
