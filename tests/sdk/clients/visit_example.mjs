// Opens the page of examples/browser in Chromium with a recording as its microphone, once, and waits for an answer.
import { chromium } from 'playwright-core';

const orders = JSON.parse(process.argv.at(-1));
const WITHIN_MS = 60_000;

const browser = await chromium.launch({
  executablePath: orders.chromium,
  args: [
    '--no-sandbox',
    '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${orders.microphone}%noloop`,
  ],
});
const page = await browser.newPage();
await page.goto(orders.url);
await page.click('button');
const deadline = Date.now() + WITHIN_MS;
let lines = [];
while (!lines.some((line) => line.startsWith('assistant:') && line.includes('84')) && Date.now() < deadline) {
  await new Promise((wake) => setTimeout(wake, 200));
  lines = await page.$$eval('li', (items) => items.map((item) => item.textContent));
}
await browser.close();
process.stdout.write(JSON.stringify(lines), () => process.exit(0));
