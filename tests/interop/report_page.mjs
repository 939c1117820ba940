// Opens a file in Chromium and says, as one JSON object, what a reader would see: `node report_page.mjs EXECUTABLE FILE
// SCREENSHOT light|dark`.

import { pathToFileURL } from "node:url";

import { chromium } from "playwright-core";

const [executable, file, screenshot, colorScheme] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: executable, args: ["--no-sandbox"] });
const page = await browser.newPage({ colorScheme, viewport: { width: 1100, height: 900 } });
const complaints = [];
const requests = [];
page.on("console", (message) => complaints.push(message.text()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("request", (request) => requests.push(request.url()));
await page.goto(pathToFileURL(file).href);
await page.screenshot({ path: screenshot, fullPage: true });
const seen = await page.evaluate(() => ({
  text: document.body.innerText,
  background: getComputedStyle(document.body).backgroundColor,
  overflows: document.documentElement.scrollWidth > window.innerWidth,
  // Text that is drawn over the edge of its picture is cut off.
  clipped: [...document.querySelectorAll("svg text")]
    .filter((text) => {
      const [inner, outer] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
      return inner.left < outer.left - 1 || inner.right > outer.right + 1 || inner.bottom > outer.bottom + 1;
    })
    .map((text) => text.textContent),
}));
await browser.close();
process.stdout.write(JSON.stringify({ ...seen, complaints, requests }));
