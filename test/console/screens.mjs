// Every screen, the ways it can look, and what a program can see of it by itself.
import assert from 'node:assert/strict'
import { go, overflow, rawKeys } from './browser.mjs'

/** Addresses of all screens of an installation with one namespace: device is a client id, message the id of one. */
export function screens({ device, user, room, message }) {
  return {
    overview: '/overview', namespaces: '/namespaces', nodes: '/nodes', redis: '/redis', queues: '/queues', audit: '/audit', 'ns-overview': '/n/demo/overview', rooms: '/n/demo/rooms',
    room: '/n/demo/room?name=' + room, users: '/n/demo/users', user: '/n/demo/user?id=' + user, devices: '/n/demo/devices', device: '/n/demo/device?id=' + encodeURIComponent(device),
    push: '/n/demo/push?room=' + room, messages: '/n/demo/messages', message: '/n/demo/message/' + message, trace: `/n/demo/message/${message}/trace`,
    'trace-device': `/n/demo/message/${message}/trace?device=` + encodeURIComponent(device), simulator: '/n/demo/simulator', access: '/n/demo/access', revoked: '/n/demo/access?tab=revoked',
    settings: '/n/demo/settings',
  }
}

/** Something to see on the page of API keys and revocations. */
export async function access(server) {
  for (const [name, scope] of [['Billing service', 'push'], ['Dashboard', 'read'], ['Back office', 'admin']]) await server.tenant('apikeys', { name, scope })
  await server.tenant('revoke', { userid: 'user99', reason: 'Left the company', expire: 720 })
  await server.tenant('revoke', { uuid: 'device-77', reason: 'Lost', expire: 24 })
  await server.tenant('revoke', { token_id: 'f7c1a4e2-0d52-4c19-9a63-2f1de3e1b6a5' })
}

/** Goes to a screen, does what makes it worth a picture, and waits until it stands; begun is called once it takes clicks. */
export async function show(page, base, name, route, wait = 8000, begun = () => {}) {
  await go(page, base, route)
  // The screen before stays until this one's code is there.
  await page.locator(`main[data-route=${{ revoked: 'access', 'trace-device': 'trace' }[name] ?? name}] h1`).waitFor()
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))
  begun()
  if (name === 'revoked' || name === 'trace-device') await page.find(name).waitFor()
  await page.locator('main [aria-busy=true]').first().waitFor({ state: 'detached', timeout: wait }).catch(() => undefined)
  if (name === 'push') {
    await page.find('explain').click()
    await page.find('explanation').waitFor()
  }
  if (name === 'simulator' && !(await page.find('sim-state').count())) {
    await page.find('sim-add').click()
    await page.locator('[data-test=sim-state].on').first().waitFor()
    await page.find('sim-join').first().click()
    await page.find('sim-push').first().click()
    await page.find('sim-latency').first().waitFor()
  }
  await page.waitForFunction(() => [...document.querySelectorAll('[data-ready]')].every((e) => e.dataset.ready === 'true'), undefined, { timeout: wait })
}

/** Controls a screen reader would have no name for. */
export const nameless = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('button, a[href], input:not([type=hidden]), textarea, [role=switch], [role=combobox]')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('[aria-hidden=true]'))
      .filter((e) => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title || e.labels?.length || e.closest('label') || e.closest('[role=switch][aria-label]') || e.parentElement?.querySelector('[aria-label]')))
      .map((e) => e.outerHTML.slice(0, 160)),
  )

/** What is wrong with a screen as a program sees it. */
export async function faults(page, name) {
  const out = []
  if (await overflow(page)) out.push(`${name} sticks out sideways by ${await overflow(page)} px`)
  const keys = await rawKeys(page)
  if (keys.length) out.push(`${name} shows keys of messages: ${keys}`)
  const controls = await nameless(page)
  if (controls.length) out.push(`${name} has controls without a name: ${controls}`)
  return out
}

export async function check(page, name) {
  assert.deepEqual(await faults(page, name), [])
}
