// Every screen in both languages, light and dark, wide and narrow: pictures to look at, and what a program can see by itself.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { artefacts, go, launch, login, open, overflow, rawKeys } from './browser.mjs'
import { populate } from './clients.mjs'
import { Server } from './server.mjs'

const SCREENS = {
  overview: '/overview', namespaces: '/namespaces', nodes: '/nodes', redis: '/redis', queues: '/queues', audit: '/audit', 'ns-overview': '/n/demo/overview', rooms: '/n/demo/rooms',
  room: '/n/demo/room?name=news', users: '/n/demo/users', devices: '/n/demo/devices', device: '/n/demo/device?id=' + encodeURIComponent('/demo#user3#android-device-3'),
  push: '/n/demo/push?room=news', messages: '/n/demo/messages', message: '/n/demo/message/12', simulator: '/n/demo/simulator', settings: '/n/demo/settings',
}
const LOOKS = {
  'light-wide-en': {}, 'dark-wide-zh': { language: 'zh-CN', theme: 'dark' },
  'light-narrow-zh': { language: 'zh-CN', width: 390, height: 844 }, 'dark-narrow-en': { theme: 'dark', width: 390, height: 844 },
}

/** Controls a screen reader would have no name for. */
const nameless = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll('button, a[href], input:not([type=hidden]), textarea, [role=switch], [role=combobox]')]
      .filter((e) => e.checkVisibility({ visibilityProperty: true }) && !e.closest('[aria-hidden=true]'))
      .filter((e) => !(e.innerText?.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.title || e.labels?.length || e.closest('label') || e.closest('[role=switch][aria-label]') || e.parentElement?.querySelector('[aria-label]')))
      .map((e) => e.outerHTML.slice(0, 160)),
  )

describe('looks', () => {
  let server, browser, sockets
  before(async () => {
    server = await Server.start()
    sockets = await populate(server)
    for (const s of sockets.slice(20)) s.disconnect()
    for (let i = 0; i < 12; i++) await server.tenant('push', { room: i % 3 ? 'news' : 'sport', pushData: { text: 'Message ' + i, n: i, tags: ['a', 'b'] }, leaveMessage: i % 2 === 0 })
    browser = await launch()
  })
  after(async () => {
    await browser?.close()
    for (const s of sockets ?? []) s.disconnect()
    await server?.end()
  })

  for (const [look, options] of Object.entries(LOOKS)) {
    it(look, async () => {
      const page = await open(browser, options)
      await page.goto(server.base + '/push-admin/')
      await page.find('login-submit').waitFor()
      await page.shot(`login-${look}`)
      await login(page, server.base)
      for (const [name, route] of Object.entries(SCREENS)) {
        await go(page, server.base, route)
        await page.locator('main h1').waitFor()
        await page.locator('[aria-busy=true]').first().waitFor({ state: 'detached', timeout: 8000 }).catch(() => undefined)
        if (name === 'simulator') {
          await page.find('sim-add').click()
          await page.locator('[data-test=sim-state].on').first().waitFor()
          await page.find('sim-join').first().click()
          await page.find('sim-push').first().click()
          await page.find('sim-latency').first().waitFor()
        }
        if (name === 'push') {
          await page.find('explain').click()
          await page.find('explanation').waitFor()
        }
        await page.waitForFunction(() => [...document.querySelectorAll('[data-ready]')].every((e) => e.dataset.ready === 'true'), undefined, { timeout: 8000 })
        await page.waitForTimeout(150) // for the picture only: transitions
        await page.screenshot({ path: `${artefacts}/${name}-${look}.png`, fullPage: true })
        assert.equal(await overflow(page), 0, `${name} sticks out sideways`)
        assert.deepEqual(await rawKeys(page), [], `${name} shows keys of messages`)
        assert.deepEqual(await nameless(page), [], `${name} has controls without a name`)
      }
      page.clean()
      await page.context().close()
    })
  }

  it('switches language and theme in the page, and remembers them', async () => {
    const page = await open(browser)
    await login(page, server.base)
    await page.find('language').click()
    await page.locator('h1', { hasText: '总览' }).waitFor()
    assert.equal(await page.getAttribute('html', 'lang'), 'zh-CN')
    await page.find('theme').click()
    await page.find('theme-dark').click()
    await page.waitForFunction(() => document.documentElement.classList.contains('dark'))
    await page.reload()
    await page.locator('h1', { hasText: '总览' }).waitFor()
    assert.ok(await page.evaluate(() => document.documentElement.classList.contains('dark')))
    await page.find('language').click()
    await page.locator('h1', { hasText: 'Overview' }).waitFor()
    page.clean()
    await page.context().close()
  })

  it('is reached by keyboard', async () => {
    const page = await open(browser)
    await page.goto(server.base + '/push-admin/')
    await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'username')
    await page.keyboard.type('admin')
    await page.keyboard.press('Tab')
    await page.keyboard.type('console-test-admin')
    await page.keyboard.press('Enter')
    await page.find('user-menu').waitFor()
    await page.evaluate(() => document.activeElement?.blur())
    await page.keyboard.press('Tab')
    assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main')
    await page.find('nav-namespaces').focus()
    await page.keyboard.press('Enter')
    await page.find('ns-new').waitFor()
    await page.find('ns-new').focus()
    await page.keyboard.press('Enter')
    await page.find('ns-dialog').waitFor()
    await page.keyboard.press('Escape')
    await page.find('ns-dialog').waitFor({ state: 'detached' })
    page.clean()
    await page.context().close()
  })

  it('has a menu on a phone', async () => {
    const page = await open(browser, { width: 390, height: 844 })
    await login(page, server.base)
    assert.equal(await page.find('nav-nodes').isVisible(), false)
    await page.find('burger').click()
    await page.find('nav-nodes').click()
    await page.find('nodes').waitFor()
    await page.waitForFunction(() => getComputedStyle(document.querySelector('.side')).visibility === 'hidden')
    page.clean()
    await page.context().close()
  })
})
