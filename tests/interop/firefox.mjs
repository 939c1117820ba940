// Firefox by puppeteer-core over WebDriver BiDi. The microphone is PulseAudio's default source (PULSE_SERVER).

import puppeteer from "puppeteer-core";

const PREFERENCES = {
  "media.navigator.permission.disabled": true, // the microphone, unasked
  "media.autoplay.default": 0, // sound, unasked
  "media.peerconnection.ice.loopback": true, // the tests' relays listen on 127.0.0.1, which Firefox else leaves alone
};

const OFFERED = "/page/offered_by_the_test.js";

export async function launch({ executable }) {
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: executable,
    extraPrefsFirefox: PREFERENCES,
  });
  return {
    pid: browser.process().pid,
    version: async () => (await browser.version()).split("/").pop(),
    newPage: () => browser.newPage(),
    /** The address at which `page` can load `script` as a module: one of its own origin, as its policy demands. */
    offer: async (page, script) => {
      await page.setRequestInterception(true);
      page.on("request", (request) =>
        new URL(request.url()).pathname === OFFERED
          ? request.respond({ status: 200, contentType: "text/javascript", body: script })
          : request.continue(),
      );
      return OFFERED;
    },
    close: () => browser.close(),
  };
}
