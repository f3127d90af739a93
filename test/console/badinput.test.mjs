// What nobody expects: names with every character there is, messages of a megabyte, audiences of a million.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { passwords, Server } from './server.mjs'

const EVIL = '<img src=x onerror=alert(1)>'
/** Every character a room name may have. */
const ODD = 'azAZ09_.\\-$#/'
const MB = 1 << 20

/** Longest time the page's thread was taken, ms, since the last call. */
const watchTasks = (page) =>
  page.evaluate(() => {
    window.longest = 0
    new PerformanceObserver((list) => list.getEntries().forEach((e) => (window.longest = Math.max(window.longest, e.duration)))).observe({ entryTypes: ['longtask'] })
  })
const longest = (page) => page.evaluate(() => window.longest)

describe('bad input', () => {
  let server, browser, page, socket
  before(async () => {
    server = await Server.start()
    socket = await client(server.base, { uuid: 'odd', userid: ODD.replaceAll('/', ''), rooms: [ODD, 'news'] })
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
  })
  after(async () => {
    await browser?.close()
    socket?.disconnect()
    await server?.end()
  })
  const next = () => new Promise((done) => socket.once('push', done))

  it('pushes to a room whose name has every allowed character, and finds its way back', async () => {
    await go(page, server.base, '/n/demo/rooms')
    await page.locator('[data-test=row] a', { hasText: ODD }).click()
    await page.locator('[data-test=room-name]', { hasText: ODD }).waitFor()
    await page.reload() // the address holds the name
    await page.locator('[data-test=room-name]', { hasText: ODD }).waitFor()
    await go(page, server.base, '/n/demo/push')
    await page.input('push-room').fill(ODD)
    await page.input('push-json').fill(JSON.stringify({ text: EVIL }))
    await page.find('explain').click()
    await page.locator('[data-test=outcome-socket]', { hasText: '1' }).waitFor()
    const got = next()
    await page.find('send').click()
    assert.equal((await got).room, ODD)
    await page.find('to-report').click()
    await page.locator('[data-test=message-data]', { hasText: EVIL }).waitFor()
    await page.locator('.facts a', { hasText: ODD }).click()
    await page.locator('[data-test=room-name]', { hasText: ODD }).waitFor()
    await go(page, server.base, '/n/demo/messages')
    await page.input('filter-room').fill(ODD)
    await page.locator('[data-test=row-count]', { hasText: /^1 shown$/ }).waitFor()
    await page.locator('[data-test=row]', { hasText: EVIL }).waitFor()
    assert.equal(await page.locator('#app img').count(), 0)
  })

  it('opens a user and a device with names like that', async () => {
    const user = ODD.replaceAll('/', '')
    await go(page, server.base, '/n/demo/users')
    await page.locator('[data-test=row] a', { hasText: user }).first().click()
    await page.locator('[data-test=user-id]', { hasText: user }).waitFor()
    await page.reload()
    await page.locator('[data-test=user-devices] [data-test=row] a', { hasText: 'odd' }).click()
    await page.locator('[data-test=device-id]', { hasText: 'odd' }).waitFor()
    await page.locator('[data-test=device-online]', { hasText: 'Online' }).waitFor()
  })

  it('composes, explains and sends a message of 1 MB without blocking', async () => {
    await go(page, server.base, '/n/demo/push')
    await watchTasks(page)
    await page.input('push-room').fill('news')
    const text = '<b>0123456789</b>\\n'.repeat(Math.floor((MB - 200) / 19))
    await page.input('push-json').fill(`{"text":"${text}"}`)
    await page.find('explain').click()
    await page.locator('[data-test=outcome-socket]', { hasText: '1' }).waitFor()
    const got = next()
    await page.find('send').click()
    assert.equal((await got).pushData.text.length, text.length - text.length / 19)
    await page.find('to-report').click()
    await page.locator('[data-test=message-data] pre').waitFor()
    await go(page, server.base, '/n/demo/messages')
    await page.locator('[data-test=row] a').first().waitFor()
    const blocked = await longest(page)
    assert.ok(blocked < 2000, `the page was blocked for ${blocked} ms`)
    assert.ok((await page.evaluate(() => document.body.innerHTML.length)) < 400_000, 'the whole message is in the page')
  })

  it('says that a message is too large, and keeps it', async () => {
    await go(page, server.base, '/n/demo/push')
    await page.input('push-room').fill('news')
    await page.input('push-json').fill(`{"text":"${'x'.repeat(2 * MB)}"}`)
    await page.find('send').click()
    await page.locator('.el-message--error').first().waitFor()
    assert.equal((await page.input('push-json').inputValue()).length, 2 * MB + 11)
    assert.equal(await page.input('push-room').inputValue(), 'news')
    await page.input('push-json').fill('{}')
  })

  it('reports on a million devices by counts of the server and pages', async () => {
    const { id } = await server.tenant('push', { room: 'news', pushData: { n: 1 } })
    const sizes = []
    await page.route(`**/report/push/${id}/states`, (route) =>
      route.fulfill({ json: { id: String(id), states: { web: { acked: 700_001, online: 12 }, ios: { apns: 199_987 }, android: { inbox: 100_000 } }, total: 1_000_000, complete: true, time: Date.now() } }),
    )
    await page.route(`**/report/push/${id}/receipts?**`, (route) => {
      const query = new URL(route.request().url()).searchParams
      const at = Number(query.get('cursor') || 0)
      const size = Number(query.get('size'))
      sizes.push(size)
      return route.fulfill({ json: { id: String(id), receipts: Array.from({ length: size }, (_, i) => ({ clientId: `/demo#u${at + i}#web-${EVIL}${at + i}`, platform: 'web', state: 'acked', at: String(Date.now()) })), next: String(at + size) } })
    })
    await go(page, server.base, '/n/demo/message/' + id)
    await page.locator('td', { hasText: '700,013' }).waitFor()
    await page.locator('[data-test=row]').first().waitFor()
    await watchTasks(page)
    for (let i = 0; i < 30; i++) {
      await page.locator('.virtual .box').evaluate((box) => box.scrollTo(0, box.scrollHeight))
      await page.waitForTimeout(30)
    }
    assert.ok(Number((await page.find('row-count').textContent()).replaceAll(/\D/g, '')) > 1000)
    assert.ok((await page.find('row').count()) < 60)
    assert.ok(Math.max(...sizes) <= 500)
    const blocked = await longest(page)
    assert.ok(blocked < 1000, `the page was blocked for ${blocked} ms`)
    assert.equal(await page.locator('#app img').count(), 0)
    await page.unrouteAll()
  })

  it('searches 100,000 rooms and 1,000,000 devices on the server', async () => {
    const asked = []
    for (const [path, row] of [['rooms', (i) => ({ name: 'room-' + i, users: 1, online: { web: 1, ios: 0, android: 0 }, total: { web: 1, ios: 0, android: 0 } })], ['clients', (i) => ({ id: '/demo#u#web-d' + i, userid: 'u', platform: 'web', online: false, lastConnect: 0, lastDisconnect: 0 })]]) {
      await page.route(`**/api/auth/${path}?**`, (route) => {
        const query = new URL(route.request().url()).searchParams
        asked.push(path + ' ' + (query.get('q') ?? ''))
        // A rare text: pages without a find, and yet a cursor.
        const at = Number(query.get('cursor') || 0)
        return route.fulfill({ json: query.get('q') ? { list: at < 3 ? [] : [row(99_999)], cursor: at < 3 ? String(at + 1) : '' } : { list: Array.from({ length: 100 }, (_, i) => row(i)), cursor: '100' } })
      })
    }
    for (const [path, screen, rare] of [['rooms', '/n/demo/rooms', 'room-99999'], ['clients', '/n/demo/devices', 'd99999']]) {
      await go(page, server.base, screen)
      await page.locator('[data-test=row]').nth(5).waitFor()
      await page.input('search').fill(rare)
      await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '1 shown')
      assert.equal(asked.filter((a) => a === `${path} ${rare}`).length, 4)
    }
    await page.unrouteAll()
  })

  it('reads a list anew when the server is back', async () => {
    await go(page, server.base, '/n/demo/rooms')
    await page.locator('[data-test=row]', { hasText: 'news' }).waitFor()
    await go(page, server.base, '/n/demo/devices')
    await page.locator('[data-test=row]', { hasText: 'odd' }).waitFor()
    await server.down()
    await page.locator('[aria-label=Refresh]').click()
    await page.find('lost').waitFor()
    await server.up()
    await page.find('lost').waitFor({ state: 'detached', timeout: 20_000 })
    await page.locator('[data-test=row]', { hasText: 'odd' }).locator('text=Offline').waitFor()
    socket = await client(server.base, { uuid: 'odd', userid: 'odd', rooms: [ODD, 'news'] })
  })

  it('loses nothing of the settings when the session ends', async () => {
    await go(page, server.base, '/n/demo/settings')
    await page.input('ns-name').fill(EVIL)
    await page.input('ns-max_rooms_per_client').fill('77')
    await page.context().clearCookies()
    await page.find('ns-save').click()
    await page.find('relogin').waitFor()
    assert.equal(await page.input('ns-name').inputValue(), EVIL)
    await page.locator('[data-test=relogin] input[type=password]').fill(passwords.admin)
    await page.locator('[data-test=relogin] button[type=submit]').click()
    await page.find('relogin').waitFor({ state: 'detached' })
    await page.waitForFunction(() => document.querySelector('[data-test=ns-save]:disabled:not(.is-loading)'))
    const record = await server.tenant('namespace')
    assert.deepEqual([record.name, record.max_rooms_per_client], [EVIL, 77])
  })

  it('loses nothing of a dialog when the server goes away', async () => {
    await go(page, server.base, '/n/demo/access?tab=revoked')
    await page.find('revoke-new').click()
    await page.input('revoke-value').fill('somebody')
    await page.input('revoke-reason').fill('typed before the outage')
    await server.down()
    await page.find('revoke-go').click()
    await page.find('lost').waitFor()
    await server.up()
    await page.find('lost').waitFor({ state: 'detached', timeout: 20_000 })
    assert.equal(await page.input('revoke-reason').inputValue(), 'typed before the outage')
    await page.find('revoke-go').click()
    await page.locator('[data-test=revoked] tr', { hasText: 'somebody' }).waitFor()
    page.clean()
  })
})
