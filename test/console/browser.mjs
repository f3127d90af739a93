// A real browser on the page, which fails a test for every error it reports, a breach of the Content-Security-Policy included.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { passwords } from './server.mjs'

export const artefacts = process.env.CONSOLE_ARTEFACTS ?? join(tmpdir(), 'lightpush-console-artefacts')
mkdirSync(artefacts, { recursive: true })

const executablePath = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
const WAIT = 25_000 // machines that run tests are busy

export async function launch() {
  if (!executablePath) throw new Error('no Chromium: apt-get install chromium, or name one with CHROMIUM')
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] })
}

/** Failed answers the browser reports by itself; the page shows them in its own way. */
const EXPECTED = /Failed to load resource|WebSocket connection to|ERR_CONNECTION/

export async function open(browser, { language = 'en', theme = 'light', width = 1360, height = 900, storage } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    locale: language,
    colorScheme: theme,
    deviceScaleFactor: 1,
    storageState: storage,
    permissions: ['clipboard-read', 'clipboard-write'],
  })
  await context.addInitScript((l) => localStorage.getItem('lightpush.language') || localStorage.setItem('lightpush.language', l), language)
  const page = await context.newPage()
  page.setDefaultTimeout(WAIT)
  page.faults = []
  page.on('pageerror', (err) => page.faults.push(String(err.stack ?? err)))
  page.on('console', (m) => {
    if ((m.type() === 'error' || m.type() === 'warning') && !EXPECTED.test(m.text())) page.faults.push(m.text())
  })
  page.on('dialog', (d) => {
    page.faults.push('dialog: ' + d.message())
    void d.dismiss()
  })
  page.find = (name) => page.locator(`[data-test="${name}"]`)
  /** The text field within, or at, a marked part. */
  page.input = (name) => page.locator(`input[data-test="${name}"], textarea[data-test="${name}"], [data-test="${name}"] input, [data-test="${name}"] textarea`).first()
  page.shot = (name) => page.screenshot({ path: join(artefacts, name + '.png') })
  page.clean = () => assert.deepEqual(page.faults, [], 'the browser reported errors')
  return page
}

export async function login(page, base, name = 'admin', password = passwords[name] ?? passwords.demo, path = '/push-admin/') {
  await page.goto(base + path)
  await page.input('login-name').fill(name)
  await page.input('login-password').fill(password)
  await page.find('login-submit').click()
  await page.find('user-menu').waitFor()
}

/** Goes to a route of the page without loading it anew. */
export async function go(page, base, route, path = '/push-admin/') {
  await page.goto(`${base}${path}#${route}`)
}

/** Chooses an entry of an open select or menu. */
export async function choose(page, text) {
  // The one that was open before may still be fading out.
  await page.waitForFunction(() => [...document.querySelectorAll('.el-select-dropdown, .el-dropdown-menu')].filter((e) => e.getClientRects().length).length === 1)
  await page.locator('.el-select-dropdown__item:visible, .el-dropdown-menu__item:visible', { hasText: text }).first().click()
}

/** Keys of the messages that stand where a text should be. */
export async function rawKeys(page) {
  const text = await page.evaluate(() => document.body.innerText)
  return text.match(/\b(common|nav|overview|nodes|redis|queues|audit|namespaces|namespace|apns|callback|rooms|users|devices|device|push|messages|message|receipt|outcome|rule|sim|error|role|access|limits|trace|preferences|login|relogin|table|json|chart|confirm|connection|settings|audit)\.[a-z][\w.-]*\b/g)?.filter((k) => !/\.(js|yaml|example|io)/.test(k)) ?? []
}

/** What sticks out of the page sideways. */
export function overflow(page) {
  return page.evaluate(() => Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth))
}
