// Drives one browser for a test. One JSON object per line: the first of stdin says which browser, the others are
// requests {"id", "method", "params"}; stdout answers {"id", "result"} or {"id", "error"}. Ends with its input.

import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";

import * as interopPage from "./interop_page.mjs";
import * as inPage from "./page_functions.mjs";

const recorder = readFileSync(new URL("recorder_worklet.js", import.meta.url), "utf8");

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** Calls are pages, named by the number that `call` returns. */
class Driver {
  #pages = [];

  constructor(browser) {
    this.browser = browser;
  }

  async call({ url, scripted }) {
    const page = await this.browser.newPage();
    if (scripted) await page.addInitScript(inPage.scriptMicrophone);
    await page.goto(url);
    // The list of models enables the choice; before it the page would call whatever is served first.
    await page.waitForSelector("#model:enabled");
    await page.click("#dial");
    await page.evaluate(inPage.settled);
    return this.#pages.push(page) - 1;
  }

  /** Opens the page without calling, for calls that the test makes by itself, step by step. */
  async openPage({ url }) {
    const page = await this.browser.newPage();
    await page.goto(url);
    return this.#pages.push(page) - 1;
  }

  /** Presses Call on a page that is open. */
  async dial({ call }) {
    const page = this.#pages[call];
    await page.waitForSelector("#model:enabled");
    await page.click("#dial");
  }

  step({ call, name, argument }) {
    return this.#pages[call].evaluate(interopPage[name], argument);
  }

  async startRecording({ call }) {
    const module = await this.browser.offer(this.#pages[call], recorder);
    await this.#pages[call].evaluate(inPage.startRecording, module);
  }

  stopRecording({ call }) {
    return this.#pages[call].evaluate(inPage.stopRecording);
  }

  /** Runs a function of page_functions.mjs that takes one argument or none. */
  evaluate({ call, name, argument }) {
    return this.#pages[call].evaluate(inPage[name], argument);
  }

  status({ call }) {
    return this.#pages[call].evaluate(inPage.status);
  }

  watchArrivals({ call }) {
    return this.#pages[call].evaluate(inPage.watchArrivals);
  }

  takeArrivals({ call }) {
    return this.#pages[call].evaluate(inPage.takeArrivals);
  }

  hangUp({ call }) {
    return this.#pages[call].evaluate(inPage.hangUp);
  }
}

async function serve(lines) {
  const { value: first } = await lines.next();
  const { name, ...options } = JSON.parse(first);
  const browser = await (await import(`./${name}.mjs`)).launch(options);
  const driver = new Driver(browser);
  say({ pid: browser.pid, version: await browser.version() });
  for await (const line of lines) {
    const { id, method, params } = JSON.parse(line);
    // Not awaited: a request may wait for what a later one brings about.
    driver[method](params).then(
      (result) => say({ id, result: result ?? null }),
      (error) => say({ id, error: String(error) }),
    );
  }
  await browser.close();
}

await serve(createInterface({ input: process.stdin })[Symbol.asyncIterator]());
process.exit(0);
