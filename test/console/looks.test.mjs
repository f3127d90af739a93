// Every screen in both languages, light and dark, wide and narrow: pictures to look at, and what a program can see by itself.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { artefacts, go, launch, login, open } from './browser.mjs'
import { populate } from './clients.mjs'
import { access, check, screens, show } from './screens.mjs'
import { Server } from './server.mjs'

const SCREENS = screens({ device: '/demo#user3#android-device-3', user: 'user3', room: 'news', message: 12 })
const LOOKS = {
  'light-wide-en': {}, 'dark-wide-zh': { language: 'zh-CN', theme: 'dark' },
  'light-narrow-zh': { language: 'zh-CN', width: 390, height: 844 }, 'dark-narrow-en': { theme: 'dark', width: 390, height: 844 },
}

describe('looks', () => {
  let server, browser, sockets
  before(async () => {
    server = await Server.start()
    sockets = await populate(server)
    for (const s of sockets.slice(20)) s.disconnect()
    for (let i = 0; i < 12; i++) await server.tenant('push', { room: i % 3 ? 'news' : 'sport', pushData: { text: 'Message ' + i, n: i, tags: ['a', 'b'] }, leaveMessage: i % 2 === 0 })
    await access(server)
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
        await show(page, server.base, name, route)
        await page.evaluate(() => window.scrollTo(0, 0))
        await page.waitForTimeout(150) // for the picture only: transitions
        await page.screenshot({ path: `${artefacts}/${name}-${look}.png`, fullPage: true })
        await check(page, name)
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

  it('closes menus by Escape, and gives the focus back', async () => {
    const page = await open(browser)
    await login(page, server.base)
    await go(page, server.base, '/namespaces')
    const focused = () => page.evaluate(() => document.activeElement?.closest('[data-test]')?.dataset.test ?? '')
    const shown = () => page.locator('.el-dropdown-menu:visible').count()
    await page.locator('[data-key="/demo"] [data-test=ns-more]').waitFor()
    for (const name of ['ns-more', 'theme', 'user-menu']) {
      const button = name === 'ns-more' ? page.locator('[data-key="/demo"] [data-test=ns-more]') : page.find(name)
      await button.focus()
      await page.keyboard.press('Enter')
      await page.waitForFunction(() => document.activeElement?.closest('.el-dropdown-menu'))
      assert.equal(await button.getAttribute('aria-expanded'), 'true', name)
      assert.equal(await button.getAttribute('aria-haspopup'), 'menu', name)
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('Escape')
      await page.waitForFunction(() => ![...document.querySelectorAll('.el-dropdown-menu')].some((e) => e.checkVisibility({ visibilityProperty: true })))
      assert.equal(await shown(), 0)
      assert.equal(await focused(), name, 'the focus is lost')
      assert.equal(await button.getAttribute('aria-expanded'), 'false', name)
    }
    // An entry chosen by key opens what it says.
    await page.locator('[data-key="/demo"] [data-test=ns-more]').focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.activeElement?.closest('.el-dropdown-menu'))
    await page.locator('[data-test=act-edit]:visible').focus() // the menu begins where it was left
    await page.keyboard.press('Enter')
    await page.find('ns-dialog').waitFor()
    await page.waitForFunction(() => document.activeElement?.closest('.el-dialog'))
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
