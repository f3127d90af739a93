// Signing in and out, the roles, and a session that ends in the middle of a form.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { go, launch, login, open } from './browser.mjs'
import { passwords, Server } from './server.mjs'

describe('session', () => {
  let server, browser
  before(async () => {
    server = await Server.start()
    browser = await launch()
  })
  after(async () => {
    await browser?.close()
    await server?.end()
  })
  const visit = async (name, password) => {
    const page = await open(browser)
    await login(page, server.base, name, password)
    return page
  }

  it('refuses a wrong password and says so', async () => {
    const page = await open(browser)
    await page.goto(server.base + '/push-admin/')
    await page.find('login-submit').click()
    await page.find('login-fault').waitFor()
    await page.input('login-name').fill('admin')
    await page.input('login-password').fill('wrong')
    await page.find('login-submit').click()
    await page.locator('[data-test=login-fault]', { hasText: 'wrong' }).waitFor()
    assert.equal(await page.input('login-password').inputValue(), '')
    page.clean()
    await page.context().close()
  })

  it('keeps no credential where a script can read it, and the session over a reload', async () => {
    const page = await visit('admin')
    const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie)
    assert.ok(!kept.includes(passwords.admin) && !kept.includes('lightpush_session'), kept)
    const cookie = (await page.context().cookies()).find((c) => c.name === 'lightpush_session') ?? (await page.context().cookies(server.base + '/api/')).find((c) => c.name === 'lightpush_session')
    assert.ok(cookie.httpOnly)
    assert.equal(cookie.sameSite, 'Strict')
    await page.reload()
    await page.find('user-menu').waitFor()
    await page.find('user-menu').click()
    await page.find('logout').click()
    await page.find('login-submit').waitFor()
    await page.reload()
    await page.find('login-submit').waitFor()
    page.clean()
    await page.context().close()
  })

  it('returns to the page that was asked for', async () => {
    const page = await open(browser)
    await page.goto(server.base + '/push-admin/#/n/demo/messages')
    await page.input('login-name').fill('admin')
    await page.input('login-password').fill(passwords.admin)
    await page.find('login-submit').click()
    await page.locator('h1', { hasText: 'Messages' }).waitFor()
    page.clean()
    await page.context().close()
  })

  it('lets a viewer look and nothing else', async () => {
    const page = await visit('viewer')
    await go(page, server.base, '/namespaces')
    await page.find('namespaces').waitFor()
    assert.equal(await page.find('ns-new').count(), 0)
    assert.equal(await page.find('ns-more').count(), 0)
    await go(page, server.base, '/n/demo/push?room=news')
    await page.find('explain').waitFor()
    assert.ok(await page.find('send').isDisabled())
    await page.find('explain').click()
    await page.find('explanation').waitFor()
    await go(page, server.base, '/n/demo/settings')
    await page.input('ns-name').waitFor()
    assert.ok(await page.input('ns-name').isDisabled())
    assert.equal(await page.find('ns-save').count(), 0)
    page.clean()
    await page.context().close()
  })

  for (const [role, name, password] of [['owner', 'demo', passwords.demo], ['owner', '/demo', passwords.demo], ['reader', 'demo', passwords.reader]]) {
    it(`keeps a ${role} (${name}) in its namespace`, async () => {
      await server.admin('namespace/save', { key: '/other', name: 'Other', auth_passwd: 'other-password' })
      const page = await visit(name, password)
      await page.find('nav-ns-overview').waitFor()
      assert.equal(await page.find('nav-namespaces').count(), 0)
      for (const route of ['/namespaces', '/n/other/messages']) {
        await go(page, server.base, route)
        await page.waitForURL(/#\/n\/demo\/overview$/)
      }
      await go(page, server.base, '/n/demo/push')
      await page.find('send').waitFor()
      assert.equal(await page.find('send').isDisabled(), role === 'reader')
      page.clean()
      await page.context().close()
    })
  }

  it('asks to sign in again over the page and loses nothing typed', async () => {
    const page = await visit('admin')
    await go(page, server.base, '/n/demo/push')
    await page.input('push-room').fill('half-typed')
    await page.input('push-json').fill('{"text":"kept"}')
    await page.context().clearCookies()
    await page.find('send').click()
    await page.find('relogin').waitFor()
    await page.waitForTimeout(500) // for the picture only
    await page.shot('relogin')
    await page.locator('[data-test=relogin] input[type=password]').fill('wrong')
    await page.locator('[data-test=relogin] button[type=submit]').click()
    await page.find('login-fault').waitFor()
    await page.locator('[data-test=relogin] input[type=password]').fill(passwords.admin)
    await page.locator('[data-test=relogin] button[type=submit]').click()
    await page.find('push-result').waitFor() // the push itself was repeated
    assert.equal(await page.input('push-room').inputValue(), 'half-typed')
    assert.equal(await page.input('push-json').inputValue(), '{"text":"kept"}')
    page.clean()
    await page.context().close()
  })

  it('keeps an open dialog over a session that ends', async () => {
    const page = await visit('admin')
    await go(page, server.base, '/namespaces')
    await page.find('ns-new').click()
    await page.input('ns-key').fill('survivor')
    await page.input('ns-name').fill('Survivor')
    await page.input('ns-auth_passwd').fill('survivor-password')
    await page.context().clearCookies()
    await page.find('ns-save').click()
    await page.find('relogin').waitFor()
    await page.locator('[data-test=relogin] input[type=password]').fill(passwords.admin)
    await page.locator('[data-test=relogin] button[type=submit]').click()
    await page.locator('[data-key="/survivor"]').waitFor()
    page.clean()
    await page.context().close()
  })

  it('renews a token that is out of date', async () => {
    const page = await visit('admin')
    await go(page, server.base, '/n/demo/push?room=news')
    await page.find('send').waitFor()
    let refused = 0
    await page.route('**/api/auth/push', async (route) => {
      if (refused++) return route.continue()
      await route.fulfill({ status: 403, contentType: 'application/json', body: '{"code":1007,"msg":"csrf token invalid"}' })
    })
    await page.find('send').click()
    await page.find('push-result').waitFor()
    assert.equal(refused, 2)
    page.clean()
    await page.context().close()
  })
})
