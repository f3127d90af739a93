// What the tests in a browser share: a page in Chromium, and waiting for what it shows.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

// open returns a function that makes pages, each in a browser profile of its own, and one that closes everything.
export async function browser() {
  const chrome = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  const faults = [];
  return {
    async page(context) {
      context ??= await chrome.newContext();
      const page = await context.newPage();
      page.on('pageerror', (err) => faults.push(err.stack));
      return page;
    },
    context: () => chrome.newContext(),
    async close() {
      await chrome.close();
      assert.deepEqual(faults, []);
    },
  };
}

// shows waits until the text of an element contains what is wanted.
export async function shows(page, selector, text, timeout = 15000) {
  try {
    await page.waitForFunction(([s, t]) => document.querySelector(s)?.innerText.includes(t), [selector, text], { timeout });
  } catch {
    assert.fail(`${selector} does not show ${JSON.stringify(text)} but\n${await page.locator(selector).first().innerText()}`);
  }
}

// api sends a REST request as the namespace.
export async function api(method, path, body) {
  const { PUSH_API, PUSH_PASSWORD } = process.env;
  const answer = await fetch(PUSH_API + path, {
    method,
    headers: { 'content-type': 'application/json', authorization: 'Basic ' + Buffer.from('/demo:' + PUSH_PASSWORD).toString('base64') },
    body: body && JSON.stringify(body),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, `${path}: ${text}`);
  return JSON.parse(text);
}

export const push = async (room, text, more) => (await api('POST', '/api/auth/push', { room, pushData: { text }, ...more })).id;

// within polls until check no longer throws.
export async function within(check, timeout = 15000) {
  const end = Date.now() + timeout;
  for (;;) {
    try {
      return await check();
    } catch (err) {
      if (Date.now() > end) throw err;
      await new Promise((next) => setTimeout(next, 50));
    }
  }
}

// run executes a test and turns its result into an exit code.
export function run(test) {
  test().then(() => { console.log('passed'); process.exit(0); }, (err) => { console.log(err.stack); process.exit(1); });
}
