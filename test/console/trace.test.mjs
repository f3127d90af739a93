// What happened to one message: its report by exact counts, its trace step by step, and the messages of one user.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { choose, go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { passwords, Server } from './server.mjs'

const EVIL = '<img src=x onerror=alert(1)>'
const [ANN, BEN, EVE] = ['/demo#ann#web-w1', '/demo#ben#android-a1', '/demo#eve#web-w2']

describe('trace', () => {
  let server, browser, page, id
  const sockets = []
  before(async () => {
    server = await Server.start()
    sockets.push(await client(server.base, { uuid: 'w1', userid: 'ann', rooms: ['news'] }))
    sockets.push(await client(server.base, { uuid: 'w2', userid: 'eve', rooms: ['news'], ack: false }))
    const away = await client(server.base, { uuid: 'a1', userid: 'ben', platform: 'android', rooms: ['news'] })
    const left = new Promise((done) => away.once('disconnect', done))
    away.disconnect()
    await left
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
    id = (await server.tenant('push', { room: 'news', pushData: { text: 'traced' }, leaveMessage: true })).id
  })
  after(async () => {
    await browser?.close()
    for (const s of sockets) s.disconnect()
    await server?.end()
  })
  const row = (device) => page.locator('[data-test=row]', { hasText: device })
  const devicesRule = (device, text) => row(device).locator('text=' + text).waitFor({ timeout: 20_000 })

  it('reports exact counts, and when and how fast each device has acked', async () => {
    await go(page, server.base, '/n/demo/message/' + id)
    await row(ANN).locator('text=Acked').waitFor()
    await row(BEN).locator('text=In inbox').waitFor({ timeout: 20_000 })
    await row(ANN).locator('[data-test=after]', { hasText: /\d (ms|s)$/ }).waitFor()
    const { states, total, complete } = await server.tenant(`report/push/${id}/states`)
    assert.deepEqual([total, complete, states.web.acked, states.android.inbox], [3, true, 1, 1])
    await page.locator('.table tr', { hasText: 'Android' }).locator('td', { hasText: /^1$/ }).waitFor()
    await page.shot('report-latency')
  })

  it('traces the message: a picture, every event, every device and its rule', async () => {
    await page.find('to-trace').click()
    await page.find('timeline').waitFor()
    const events = page.find('events')
    for (const word of ['Accepted', 'Stored', 'Written', 'First ack']) await events.locator('tr', { hasText: word }).first().waitFor()
    await devicesRule(ANN, 'It was connected and has acked')
    await devicesRule(BEN, 'waits in its inbox')
    await devicesRule(EVE, 'written, but not acked')
    assert.ok((await page.locator('[data-test=timeline] b').count()) >= 4)
    await page.shot('trace')
  })

  it('traces one device, and finds back', async () => {
    await row(ANN).locator('a').first().click()
    await page.locator('[data-test=trace-rule]', { hasText: 'has acked' }).waitFor()
    await page.locator('[data-test=events] tr.own', { hasText: 'Acked' }).waitFor()
    await page.locator('[data-test=timeline] .device b').first().waitFor()
    await page.shot('trace-device')
    await page.reload()
    await page.locator('[data-test=trace-rule]', { hasText: 'has acked' }).waitFor()
    await page.find('all-devices').click()
    await row(BEN).waitFor()
    await page.find('to-report').click()
    await page.find('message-acked').waitFor()
    await row(BEN).locator('[data-test=row-trace]').click()
    await page.locator('[data-test=trace-rule]', { hasText: 'inbox' }).waitFor()
  })

  it('is reached from the messages and from a device', async () => {
    await go(page, server.base, '/n/demo/messages')
    await page.locator('[data-test=row]').first().locator('[data-test=to-trace]').click()
    await page.find('timeline').waitFor()
    await go(page, server.base, '/n/demo/device?id=' + encodeURIComponent(ANN))
    await page.locator('[data-test=recent] tr', { hasText: 'Acked' }).locator('td', { hasText: / (ms|s)$/ }).waitFor()
    await page.locator('[data-test=recent] [data-test=row-trace]').first().click()
    await page.locator('[data-test=trace-rule]', { hasText: 'has acked' }).waitFor()
  })

  it('lists the messages of a user with what became of them', async () => {
    await server.tenant('push', { room: 'user_ann', pushData: { text: 'for ann' } })
    await server.tenant('push', { room: 'elsewhere', pushData: { text: 'not for ann' } })
    await go(page, server.base, '/n/demo/user?id=ann')
    const messages = page.find('user-messages')
    await messages.locator('[data-test=row-count]', { hasText: /^2 shown$/ }).waitFor()
    await messages.locator('[data-test=row]', { hasText: 'user_ann' }).locator('text=Acked').waitFor()
    await page.locator('[data-test=user-devices] [data-test=row]', { hasText: 'w1' }).locator('text=Online').waitFor()
    await page.shot('user')
    await messages.locator('[data-test=fate]').first().click()
    await page.find('trace-rule').waitFor()
    await go(page, server.base, '/n/demo/user?id=ann')
    await page.find('user-from').fill('2099-01-01T00:00:00')
    await messages.locator('text=No messages found').waitFor()
    await go(page, server.base, '/n/demo/user?id=nobody')
    await messages.locator('text=No messages found').waitFor()
  })

  it('may be looked at by a reader', async () => {
    const other = await open(browser)
    await login(other, server.base, 'demo', passwords.reader)
    await go(other, server.base, `/n/demo/message/${id}/trace`)
    await other.locator('[data-test=row]', { hasText: ANN }).waitFor()
    await go(other, server.base, '/n/demo/user?id=ann')
    await other.locator('[data-test=user-devices] [data-test=row]').first().waitFor()
    assert.equal(await other.find('block').count(), 0)
    assert.equal(await other.find('user-push').count(), 0)
    other.clean()
    await other.context().close()
  })

  it('says so when there is no such message', async () => {
    await go(page, server.base, '/n/demo/message/999999/trace')
    await page.locator('text=this id not exists').waitFor()
  })

  it('shows what it does not know as text, and a hundred thousand devices by pages', async () => {
    const now = Date.now()
    const sizes = []
    await page.route('**/api/auth/message/7777/trace**', (route) => {
      const query = new URL(route.request().url()).searchParams
      const at = Number(query.get('cursor') || 0)
      const size = Number(query.get('size'))
      sizes.push(size)
      return route.fulfill({
        json: {
          message: { id: '7777', room: 'news', pushData: '{}', namespace: '/demo', expire: '24', sendDate: String(now - 5000), onlineClientCount: '0', ackCount: '0', ackIOSCount: '0', ackAndroidCount: '0', leaveMessage: 'true', expireAt: now + 86_400_000 },
          time: now,
          timeline: [
            { at: now - 5000, event: 'accepted' }, { at: now - 4990, event: 'stored' }, { at: now - 4000, event: 'something_new', detail: EVIL }, { at: now - 100, event: 'dead', detail: EVIL }, { at: now + 86_400_000, event: 'expires' },
            ...Array.from({ length: 40 }, (_, i) => ({ at: now - 4980 + i, event: 'written', node: 'node-' + i, count: i })),
          ],
          devices: Array.from({ length: size }, (_, i) => ({ clientId: `/demo#u#web-${at + i}`, userid: 'u', platform: 'web', state: 'online', reason: '', at: 0, online: true, node: 'n', since: now, rule: 'brand_new', explanation: EVIL, steps: [{ at: now - 4970, event: 'unheard_of', detail: EVIL }] })),
          cursor: String(at + size),
        },
      })
    })
    await go(page, server.base, '/n/demo/message/7777/trace')
    await row('web-3').first().locator('text=' + EVIL).waitFor()
    await page.locator('[data-test=events] td', { hasText: 'something_new' }).waitFor()
    for (let i = 0; i < 10; i++) {
      await page.locator('.virtual .box').evaluate((box) => box.scrollTo(0, box.scrollHeight))
      await page.waitForTimeout(40)
    }
    assert.ok((await page.find('row').count()) < 60)
    assert.ok(Math.max(...sizes) <= 200)
    assert.equal(await page.locator('#app img').count(), 0)
    await page.find('language').click()
    await page.locator('h1', { hasText: '追踪' }).waitFor()
    await page.find('language').click()
    page.clean()
  })

  it('filters the report by state', async () => {
    await go(page, server.base, '/n/demo/message/' + id)
    await page.find('filter-state').click()
    await choose(page, 'In inbox')
    await page.locator('[data-test=row-count]', { hasText: /^1 shown$/ }).waitFor()
    page.clean()
  })
})
