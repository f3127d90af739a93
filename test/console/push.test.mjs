// Composing, explaining and sending a message, and what became of it.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { choose, go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { Server } from './server.mjs'

describe('push', () => {
  let server, browser, page, web, android
  before(async () => {
    server = await Server.start()
    web = await client(server.base, { uuid: 'w1', userid: 'ann', rooms: ['news'] })
    android = await client(server.base, { uuid: 'a1', userid: 'ben', platform: 'android', rooms: ['news'], ack: false })
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
  })
  after(async () => {
    await browser?.close()
    web?.disconnect()
    android?.disconnect()
    await server?.end()
  })
  const next = (socket) => new Promise((done) => socket.once('push', done))

  it('says where JSON is wrong, and sends nothing', async () => {
    await go(page, server.base, '/n/demo/push')
    let sent = 0
    page.on('request', (r) => (sent += r.url().includes('/api/auth/push')))
    await page.input('push-json').fill('{\n  "a": 1,\n  "b" 2\n}')
    await page.locator('[data-test=json-fault]', { hasText: 'line 3, column 7' }).waitFor()
    await page.find('send').click()
    await page.find('room-fault').waitFor()
    await page.input('push-json').fill('"text"')
    await page.locator('[data-test=json-fault]', { hasText: 'object or an array' }).waitFor()
    await page.input('push-room').fill('bad room')
    await page.find('send').click()
    await page.locator('[data-test=room-fault]', { hasText: 'Letters' }).waitFor()
    assert.equal(sent, 0)
    await page.input('push-json').fill('{"a":[1,{"b":null}]}')
    await page.find('json-format').click()
    assert.equal(await page.input('push-json').inputValue(), '{\n  "a": [\n    1,\n    {\n      "b": null\n    }\n  ]\n}')
  })

  it('explains before it sends', async () => {
    android.disconnect()
    await page.input('push-room').fill('news')
    await page.input('push-json').fill('{"text":"explained"}')
    await page.find('explain').click()
    await page.locator('[data-test=outcome-socket]', { hasText: '1' }).waitFor()
    await page.locator('[data-test=outcome-inbox]', { hasText: '1' }).waitFor()
    await page.locator('[data-test=explanation] tr', { hasText: '/demo#ben#android-a1' }).locator('.el-tag', { hasText: 'Inbox' }).waitFor()
    assert.deepEqual((await server.tenant('report/push')).length, 0)
    await page.input('push-json').fill('{"text":"changed"}')
    await page.locator('text=Explain again').waitFor()
  })

  it('sends, and its report follows live', async () => {
    const got = next(web)
    await page.find('send').click()
    assert.deepEqual((await got).pushData, { text: 'changed' })
    await page.find('to-report').click()
    await page.locator('[data-test=message-acked] .value', { hasText: '1' }).waitFor()
    await page.locator('[data-test=chart-report][data-ready=true]').waitFor()
    await page.locator('[data-test=row]', { hasText: '/demo#ann#web-w1' }).locator('text=Acked').waitFor()
    await page.locator('[data-test=row]', { hasText: '/demo#ben#android-a1' }).locator('text=In inbox').waitFor({ timeout: 20_000 })
    await page.shot('report-live')
    android = await new Promise((resolve, reject) =>
      client(server.base, { uuid: 'a1', userid: 'ben', platform: 'android' }).then((s) => resolve(s), reject),
    )
    android.emit('ackPush', { id: 1 })
    await page.locator('[data-test=row]', { hasText: '/demo#ben#android-a1' }).locator('text=/Delivered|Acked/').waitFor({ timeout: 20_000 })
    await page.find('filter-state').click()
    await choose(page, 'Acked')
    await page.locator('[data-test=row]', { hasText: '/demo#ann#web-w1' }).waitFor()
  })

  it('pushes to a user, with apsData and an expiry, and simulates loss', async () => {
    await go(page, server.base, '/n/demo/push')
    await page.find('target-user').click()
    await page.input('push-room').fill('ann')
    await page.input('push-json').fill('{"text":"to ann"}')
    await page.find('insert-apns').click()
    assert.match(await page.input('push-json').inputValue(), /apsData/)
    await page.input('push-expire').fill('2')
    const got = next(web)
    await page.find('send').click()
    const message = await got
    assert.equal(message.room, 'user_ann')
    assert.deepEqual(message.pushData, { text: 'to ann' })
    await page.locator('[data-test=push-result]').waitFor()
    let lost = false
    web.once('push', () => (lost = true))
    await page.find('lost-switch').click()
    await page.find('send').click()
    await page.locator('[data-test=push-result]', { hasText: 'Message 3 ' }).waitFor()
    const record = await server.tenant('report/push/3')
    assert.equal(record.extra, 'lost')
    assert.equal(record.expire, '2')
    assert.equal(lost, false)
  })

  it('keeps templates in the browser', async () => {
    await page.input('template-name').fill('greeting')
    await page.find('template-save').click()
    await page.reload()
    await page.find('template').click()
    assert.equal(await page.input('push-room').inputValue(), 'ann')
    assert.match(await page.input('push-json').inputValue(), /to ann/)
    await page.locator('[aria-label="Remove greeting"]').click()
    await page.find('template').waitFor({ state: 'detached' })
  })

  it('shows what the server refuses', async () => {
    await page.input('push-room').fill('ann')
    await page.input('push-expire').fill('1000')
    await page.find('send').click()
    await page.locator('.el-message', { hasText: 'expire invalid' }).waitFor()
  })

  it('filters the history on the server', async () => {
    for (let i = 0; i < 70; i++) await server.tenant('push', { room: i % 2 ? 'odd' : 'even', pushData: { text: `number ${i}.` }, leaveMessage: i % 3 === 0 })
    await go(page, server.base, '/n/demo/messages')
    await page.locator('[data-test=row-count]', { hasText: '50 shown+' }).waitFor()
    await page.find('more').click()
    await page.locator('[data-test=row-count]', { hasText: '73 shown' }).waitFor()
    await page.input('filter-room').fill('even')
    await page.locator('[data-test=row-count]', { hasText: '35 shown' }).waitFor()
    await page.input('filter-text').fill('number 12.')
    await page.locator('[data-test=row-count]', { hasText: /^1 shown$/ }).waitFor()
    await page.find('reset').click()
    await page.find('filter-offline').click()
    await choose(page, 'Yes')
    await page.locator('[data-test=row-count]', { hasText: /^27 shown$/ }).waitFor()
    await page.find('reset').click()
    await page.input('filter-id').fill('1')
    await page.locator('[data-test=row-count]', { hasText: /^1 shown$/ }).waitFor()
    await page.locator('[data-test=row] a').first().click()
    await page.locator('[data-test=message-data]', { hasText: 'changed' }).waitFor()
  })

  it('shows a message of almost 1 MB without blocking', async () => {
    const text = '<script>alert(1)</script>'.repeat(38_000)
    const { id } = await server.tenant('push', { room: 'news', pushData: { text } })
    const begun = Date.now()
    await go(page, server.base, '/n/demo/message/' + id)
    await page.locator('[data-test=message-data] pre', { hasText: 'alert(1)' }).waitFor()
    assert.ok(Date.now() - begun < 5000, 'took too long')
    assert.ok((await page.locator('[data-test=message-data] pre').innerText()).length < 30_000)
    page.clean()
  })
})
