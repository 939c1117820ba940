// Chromium by playwright-core. The microphone is a file, played in a loop from the moment a page opens it.

import { chromium } from "playwright-core";

export async function launch({ executable, speech }) {
  const server = await chromium.launchServer({
    executablePath: executable,
    args: ["--no-sandbox", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${speech}`],
  });
  const browser = await chromium.connect(server.wsEndpoint());
  // Playwright cannot answer a worklet's request, so the recorder comes as a data: address, which the page's policy
  // forbids. Firefox keeps the policy.
  const context = await browser.newContext({ permissions: ["microphone"], bypassCSP: true });
  return {
    pid: server.process().pid,
    version: async () => browser.version(),
    newPage: () => context.newPage(),
    /** The address at which `page` can load `script` as a module. */
    offer: async (_page, script) => `data:text/javascript,${encodeURIComponent(script)}`,
    close: () => server.close(),
  };
}
