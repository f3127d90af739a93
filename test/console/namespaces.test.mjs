// Namespaces and what an administrator does with them, against the real program.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { choose, go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { passwords, Server } from './server.mjs'

const EVIL = '<img src=x onerror=alert(1)>'

describe('namespaces', () => {
  let server, browser, page, business
  const calls = []
  before(async () => {
    server = await Server.start()
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
    business = createServer((req, res) => {
      calls.push(req.url)
      res.writeHead(200, { 'Content-Type': 'application/json' }).end('{"userid":"from-callback"}')
    })
    await new Promise((done) => business.listen(0, '127.0.0.1', done))
  })
  after(async () => {
    await browser?.close()
    business?.close()
    await server?.end()
  })
  const menu = async (key, action) => {
    await page.waitForFunction(() => ![...document.querySelectorAll('.el-dropdown-menu')].some((e) => e.getClientRects().length))
    await page.locator(`[data-key="${key}"] [data-test=ns-more]`).first().click()
    await page.locator(`[data-test=act-${action}]:visible`).click()
  }
  const confirm = async (key) => {
    const go = page.locator('[data-test=typed-go]:visible')
    await go.waitFor()
    assert.ok(await go.isDisabled())
    await page.locator('input[data-test=typed-word]:visible, [data-test=typed-word]:visible input').first().fill(key + 'x')
    assert.ok(await go.isDisabled())
    await page.locator('input[data-test=typed-word]:visible, [data-test=typed-word]:visible input').first().fill(key)
    await go.click()
    await page.find('typed-confirm').waitFor({ state: 'hidden' })
  }

  it('refuses a bad form before it is sent', async () => {
    await go(page, server.base, '/namespaces')
    await page.find('ns-new').click()
    await page.find('ns-save').click()
    await page.waitForFunction(() => document.querySelectorAll('.el-form-item__error').length >= 3)
    await page.input('ns-key').fill('with space')
    await page.locator('.el-form-item__error', { hasText: 'Letters' }).waitFor()
  })

  it('creates one, called like an attack', async () => {
    await page.input('ns-key').fill('shop')
    await page.input('ns-name').fill(EVIL)
    await page.input('ns-auth_passwd').fill('shop-password-1')
    await page.find('ns-save').click()
    await page.locator('[data-key="/shop"]', { hasText: EVIL }).waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    const { list } = await server.admin('namespace/list?key=shop')
    assert.equal(list[0].name, EVIL)
  })

  it('filters and pages', async () => {
    for (let i = 0; i < 25; i++) await server.admin('namespace/save', { key: `/many${i}`, name: 'Many', auth_passwd: 'many-password' })
    await page.input('filter-key').fill('many1')
    await page.waitForFunction(() => document.querySelectorAll('[data-key]').length === 11)
    await page.input('filter-key').fill('')
    await page.input('filter-name').fill('Many')
    await page.locator('.el-pagination .number', { hasText: '2' }).click()
    await page.waitForFunction(() => document.querySelectorAll('[data-key]').length === 5)
    await page.input('filter-name').fill('')
    await page.find('filter-offline').click()
    await choose(page, 'Out of service')
    await page.waitForFunction(() => document.querySelectorAll('[data-key]').length === 0)
    await page.find('filter-offline').click()
    await choose(page, 'All')
    await page.input('filter-key').fill('shop')
    await page.locator('[data-key="/shop"]').waitFor()
  })

  it('edits callbacks and calls one for real', async () => {
    await menu('/shop', 'edit')
    await page.input('ns-connect').fill(`http://127.0.0.1:${business.address().port}/connect`)
    await page.find('ns-save').click()
    await page.find('ns-dialog').waitFor({ state: 'detached' })
    await menu('/shop', 'edit')
    assert.equal(await page.input('ns-auth_passwd').inputValue(), '******')
    await page.find('test-connect').click()
    await page.input('callback-query').fill('{"uuid":"probe","userid":"probe","platform":"ios"}')
    await page.find('callback-go').click()
    await page.locator('[data-test=callback-answer]', { hasText: '200' }).waitFor()
    await page.locator('[data-test=callback-dialog]', { hasText: 'from-callback' }).waitFor()
    assert.equal(calls.length, 1)
    assert.match(calls[0], /probe/)
    await page.shot('callback-test')
    await page.keyboard.press('Escape')
    await page.find('callback-dialog').waitFor({ state: 'detached' })
  })

  it('keeps APNs profiles and tries one', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    await page.find('apns-add').click()
    const profile = page.find('apns-profile').last()
    const field = (label) => profile.locator('.el-form-item', { hasText: label }).locator('input, textarea').first()
    await field('Topic').fill('com.example.app')
    await field('Key id').fill('ABCDE12345')
    await field('Team id').fill('TEAM123456')
    await field('Gateway').fill('https://127.0.0.1:9')
    await field('Token key').fill(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    await page.shot('namespace-dialog')
    await page.find('ns-save').click()
    await page.find('ns-dialog').waitFor({ state: 'detached' })
    await menu('/shop', 'edit')
    await page.find('apns-test').click()
    await page.input('apns-token').fill('00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0')
    await page.find('apns-send').click()
    await page.find('apns-answer').waitFor({ timeout: 25_000 })
    await page.keyboard.press('Escape')
    await page.find('apns-dialog').waitFor({ state: 'detached' })
    await page.keyboard.press('Escape')
    await page.find('ns-dialog').waitFor({ state: 'detached' })
    const { list } = await server.admin('namespace/list?key=shop')
    assert.deepEqual(list[0].apns_list.map((p) => [p.name, p.apns_topic, p.token_key]), [['default', 'com.example.app', '******']])
    await menu('/shop', 'edit')
    await page.find('apns-profile').locator('button').last().click()
    await page.find('ns-save').click()
    await page.find('ns-dialog').waitFor({ state: 'detached' })
    assert.ok(!(await server.admin('namespace/list?key=shop')).list[0].apns_list?.length)
  })

  it('shows live figures', async () => {
    await server.admin('namespace/save', { key: '/shop', connect_callback: '' })
    const socket = await client(server.base, { namespace: '/shop', uuid: 'live', userid: 'live' })
    await page.locator('[data-key="/shop"] td', { hasText: /^1$/ }).first().waitFor()
    socket.disconnect()
  })

  it('goes out of service, clears, and is deleted, each after its name was typed', async () => {
    await page.locator('[data-key="/shop"] [data-test=ns-more]').click()
    assert.ok(/is-disabled/.test(await page.locator('[data-test=act-clear]:visible').getAttribute('class')))
    await page.locator('h1').click()
    await menu('/shop', 'offline')
    await confirm('/shop')
    await page.locator('[data-key="/shop"] [data-test=ns-state]', { hasText: 'Out of service' }).waitFor()
    for (const action of ['realtime', 'legacy', 'clear']) {
      await menu('/shop', action)
      await confirm('/shop')
    }
    await menu('/shop', 'online')
    await page.locator('[data-key="/shop"] [data-test=ns-state]', { hasText: 'In service' }).waitFor()
    await menu('/shop', 'offline')
    await confirm('/shop')
    await page.locator('[data-key="/shop"] [data-test=ns-state]', { hasText: 'Out of service' }).waitFor()
    await menu('/shop', 'flush')
    await page.shot('typed-confirm')
    await confirm('/shop')
    await page.locator('[data-key="/shop"]').waitFor({ state: 'detached' })
    assert.equal((await server.admin('namespace/list?key=shop')).total, 0)
  })

  it('can be read in the audit log', async () => {
    await go(page, server.base, '/audit')
    await page.input('audit-namespace').fill('/shop')
    await page.locator('[data-test=audit] tr', { hasText: 'Deleted' }).first().waitFor()
    const text = await page.find('audit').innerText()
    for (const act of ['Saved', 'Cleared', 'Presence cleared', 'Old devices cleared', 'Callback tested', 'APNs tested']) assert.ok(text.includes(act), `${act} is missing in ${text}`)
    assert.equal(await page.locator('main img').count(), 0)
  })

  it('is set up by its owner, too', async () => {
    const own = await open(browser)
    await login(own, server.base, 'demo', passwords.demo)
    await own.find('nav-settings').click()
    await own.input('ns-name').fill('Renamed')
    await own.find('ns-save').click()
    await own.waitForFunction(() => document.querySelector('[data-test=ns-save]:disabled:not(.is-loading)'))
    assert.equal((await server.tenant('namespace')).name, 'Renamed')
    await own.find('go-offline').click()
    await own.locator('input[data-test=typed-word], [data-test=typed-word] input').fill('/demo')
    await own.find('typed-go').click()
    await own.find('go-online').click()
    await own.find('go-offline').waitFor()
    own.clean()
    await own.context().close()
  })

  it('shows names of every kind as text', async () => {
    await page.route('**/api/admin/namespace/list**', (route) =>
      route.fulfill({ json: { total: 1, list: [{ key: '/' + EVIL, name: EVIL, offline: 'off', update_date: EVIL, clientCount: EVIL, apns_list: null }] } }),
    )
    await go(page, server.base, '/namespaces')
    await page.locator('td', { hasText: EVIL }).first().waitFor()
    assert.equal(await page.locator('main img').count(), 0)
    await page.find('enter').click()
    await page.locator('[data-test=namespace-key]', { hasText: EVIL }).waitFor()
    assert.equal(await page.locator('#app img').count(), 0)
    page.clean()
  })
})
