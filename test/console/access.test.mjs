// API keys, revocations and limits: made, used, taken back, and only looked at by those who may only look.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { passwords, Server } from './server.mjs'

const EVIL = '<img src=x onerror=alert(1)>'

describe('access', () => {
  let server, browser, page, socket
  before(async () => {
    server = await Server.start({ LIGHTPUSH_CONNECTIONS_PER_USER: '50' })
    socket = await client(server.base, { uuid: 'tablet', userid: 'joe', rooms: ['news'] })
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
  })
  after(async () => {
    await browser?.close()
    socket?.disconnect()
    await server?.end()
  })
  const push = (key) =>
    fetch(server.base + '/api/auth/push', { method: 'POST', headers: { Authorization: 'Bearer ' + key, 'Content-Type': 'application/json' }, body: JSON.stringify({ room: 'news', pushData: { n: 1 } }) })

  let key = ''
  it('makes an API key, and shows its text once', async () => {
    await go(page, server.base, '/n/demo/access')
    await page.locator('text=No API keys').waitFor()
    await page.find('key-new').click()
    await page.find('key-create').click()
    await page.locator('.el-form-item__error', { hasText: 'Required' }).waitFor()
    await page.input('key-name').fill(EVIL)
    await page.shot('key-form')
    await page.find('key-create').click()
    key = (await page.find('key-text').textContent()).trim()
    assert.match(key, /^lpk_/)
    await page.shot('key-made')
    // Escape must not throw away what cannot be shown again.
    await page.keyboard.press('Escape')
    assert.ok(await page.find('key-text').isVisible())
    await page.find('key-copy').click()
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), key)
    await page.find('key-done').click()
    await page.find('key-dialog').waitFor({ state: 'detached' })
    await page.locator('[data-test=keys] tr', { hasText: EVIL }).locator('.el-tag', { hasText: 'Push' }).waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.documentElement.outerHTML)
    assert.ok(!kept.includes(key), 'the key is still in the page')
    assert.ok((await push(key)).ok)
  })

  it('makes keys of other scopes', async () => {
    for (const [scope, name] of [['read', 'dashboard'], ['admin', 'tool']]) {
      await page.find('key-new').click()
      await page.input('key-name').fill(name)
      await page.find('scope-' + scope).check()
      await page.find('key-create').click()
      const text = (await page.find('key-text').textContent()).trim()
      await page.find('key-done').click()
      await page.find('key-dialog').waitFor({ state: 'detached' })
      assert.equal((await push(text)).status, scope === 'admin' ? 200 : 403)
    }
    const { list } = await server.tenant('apikeys')
    assert.deepEqual(list.map((k) => k.scope).sort(), ['admin', 'push', 'read'])
  })

  it('removes a key, which is refused from then on', async () => {
    await page.locator('[data-test=keys] tr', { hasText: EVIL }).locator('[data-test=key-remove]').click()
    await page.find('typed-go').click()
    await page.locator('[data-test=keys] tr', { hasText: EVIL }).waitFor({ state: 'detached' })
    assert.equal((await push(key)).status, 401)
  })

  it('revokes a user, who is disconnected and stays away until it is lifted', async () => {
    await page.locator('.el-tabs__item', { hasText: 'Revocations' }).click()
    await page.waitForURL(/tab=revoked/)
    await page.locator('text=Nobody is blocked').waitFor()
    await page.find('revoke-new').click()
    await page.find('revoke-go').click()
    await page.locator('.el-form-item__error', { hasText: 'Required' }).waitFor()
    await page.input('revoke-value').fill('joe')
    await page.input('revoke-hours').fill('9000')
    await page.locator('.el-form-item__error', { hasText: '8784' }).waitFor()
    await page.input('revoke-hours').fill('0.5')
    await page.input('revoke-reason').fill(EVIL)
    await page.shot('revoke-form')
    const gone = new Promise((done) => socket.once('disconnect', done))
    await page.find('revoke-go').click()
    await gone
    await page.locator('[data-test=revoked] tr', { hasText: 'joe' }).waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    await assert.rejects(client(server.base, { uuid: 'tablet', userid: 'joe' }))
    await page.reload()
    await page.locator('[data-test=revoked] tr', { hasText: 'joe' }).locator('[data-test=lift]').click()
    await page.find('typed-go').click()
    await page.locator('text=Nobody is blocked').waitFor()
    socket = await client(server.base, { uuid: 'tablet', userid: 'joe', rooms: ['news'] })
  })

  it('revokes a token, and a device from its own page', async () => {
    await page.find('revoke-new').click()
    await page.find('revoke-token').click()
    await page.input('revoke-value').fill('jti "1" <b>')
    await page.find('revoke-go').click()
    await page.locator('[data-test=revoked] tr', { hasText: 'jti "1" <b>' }).waitFor()
    await go(page, server.base, '/n/demo/device?id=' + encodeURIComponent('/demo#joe#web-tablet'))
    await page.find('block').click()
    const gone = new Promise((done) => socket.once('disconnect', done))
    await page.find('revoke-go').click()
    await gone
    await page.locator('[data-test=device-online]', { hasText: 'Offline' }).waitFor()
    const { list, total } = await server.tenant('revoke')
    assert.equal(total, 2)
    assert.deepEqual(list.map((r) => [r.kind, r.value]), [['device', 'tablet'], ['token', 'jti "1" <b>']])
    await server.tenant('revoke/lift', { uuid: 'tablet' })
  })

  it('stands in the audit log', async () => {
    await go(page, server.base, '/audit')
    await page.input('audit-namespace').fill('/demo')
    for (const act of ['Revoked', 'Revocation lifted']) await page.locator('[data-test=audit] tr', { hasText: act }).first().waitFor()
    page.clean()
  })

  it('pages a long list of revocations', async () => {
    for (let i = 0; i < 45; i++) await server.tenant('revoke', { userid: 'many' + i, reason: 'spam' })
    await go(page, server.base, '/n/demo/access?tab=revoked')
    await page.locator('[data-test=revoked] tbody tr').nth(19).waitFor()
    assert.equal(await page.locator('[data-test=revoked] tbody tr').count(), 20)
    await page.locator('.el-pagination .number', { hasText: '3' }).click()
    await page.waitForFunction(() => document.querySelectorAll('[data-test=revoked] tbody tr').length === 6)
  })

  it('lets viewers and readers look and nothing else', async () => {
    for (const [name, password] of [['viewer', passwords.viewer], ['demo', passwords.reader]]) {
      const other = await open(browser)
      await login(other, server.base, name, password)
      await go(other, server.base, '/n/demo/access')
      await other.locator('[data-test=keys] tr', { hasText: 'dashboard' }).waitFor()
      assert.equal(await other.find('key-new').count(), 0)
      assert.equal(await other.find('key-remove').count(), 0)
      await other.locator('.el-tabs__item', { hasText: 'Revocations' }).click()
      await other.find('revoked').waitFor()
      assert.equal(await other.find('revoke-new').count(), 0)
      assert.equal(await other.find('lift').count(), 0)
      other.clean()
      await other.context().close()
    }
  })

  const save = async (on) => {
    const saved = on.waitForResponse((r) => r.url().endsWith('/namespace/save'))
    await on.find('ns-save').click()
    assert.ok((await saved).ok())
    await on.waitForFunction(() => document.querySelector('[data-test=ns-save]:disabled:not(.is-loading)'))
  }

  it('sets limits and retention, and shows what is configured', async () => {
    await go(page, server.base, '/n/demo/settings')
    await page.waitForFunction(() => document.querySelector('input[data-test=ns-max_connections_per_user], [data-test=ns-max_connections_per_user] input')?.placeholder === '50 (configured)')
    await page.input('ns-max_connections').fill('12.5')
    await page.locator('.el-form-item__error', { hasText: 'whole number' }).waitFor()
    await page.find('ns-save').click() // is not sent
    await page.input('ns-max_connections').fill('200')
    await page.input('ns-max_push_bytes').fill('2048')
    await page.locator('text== 2.0 KiB').waitFor()
    await page.input('ns-max_expire').fill('48')
    await page.input('ns-default_expire').fill('72')
    await page.locator('.el-form-item__error', { hasText: 'At most 48' }).waitFor()
    await page.input('ns-default_expire').fill('12')
    await page.input('ns-inbox_max').fill('30')
    await save(page)
    const record = await server.tenant('namespace')
    assert.deepEqual([record.max_connections, record.max_push_bytes, record.max_expire, record.default_expire, record.inbox_max], [200, 2048, 48, 12, 30])
    assert.equal(record.max_connections_per_user, 0)
    assert.equal(await page.input('ns-max_connections').inputValue(), '200')
    await page.input('ns-max_push_bytes').fill('')
    await save(page)
    assert.equal((await server.tenant('namespace')).max_push_bytes, 0)
  })

  it('lets the owner of a namespace tighten, not raise', async () => {
    const own = await open(browser)
    await login(own, server.base, 'demo', passwords.demo)
    await own.find('nav-settings').click()
    await own.input('ns-max_connections').fill('300')
    await own.locator('.el-form-item__error', { hasText: 'only an administrator' }).waitFor()
    await own.input('ns-max_connections').fill('150')
    await save(own)
    assert.equal((await server.tenant('namespace')).max_connections, 150)
    await own.input('ns-max_connections').fill('')
    await save(own)
    assert.equal((await server.tenant('namespace')).max_connections, 200)
    own.clean()
    await own.context().close()
  })

  it('makes a namespace with limits', async () => {
    await go(page, server.base, '/namespaces')
    await page.find('ns-new').click()
    await page.input('ns-key').fill('bounded')
    await page.input('ns-name').fill('Bounded')
    await page.input('ns-auth_passwd').fill('bounded-password')
    await page.waitForFunction(() => document.querySelector('input[data-test=ns-max_connections_per_user], [data-test=ns-max_connections_per_user] input')?.placeholder === '50 (configured)')
    await page.input('ns-max_rooms_per_client').fill('5')
    await page.find('ns-save').click()
    await page.locator('[data-key="/bounded"]').waitFor()
    const { list } = await server.admin('namespace/list?key=bounded')
    assert.equal(list[0].max_rooms_per_client, 5)
    page.clean()
  })
})
