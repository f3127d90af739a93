// Rooms, users and devices, and what can be done with a device.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { choose, go, launch, login, open } from './browser.mjs'
import { client, populate } from './clients.mjs'
import { Server } from './server.mjs'

const ODD = 'a_.\\-$#/Z9'

describe('rooms, users, devices', () => {
  let server, browser, page, sockets
  before(async () => {
    server = await Server.start()
    sockets = await populate(server)
    sockets.push(await client(server.base, { uuid: 'odd', userid: 'odd$user', platform: 'ios', rooms: [ODD, 'news'] }))
    for (const s of sockets.slice(20, 24)) s.disconnect()
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
  })
  after(async () => {
    await browser?.close()
    for (const s of sockets ?? []) s.disconnect()
    await server?.end()
  })

  it('finds a room, whatever characters its name has', async () => {
    await go(page, server.base, '/n/demo/rooms')
    await page.locator('[data-test=row]', { hasText: 'news' }).waitFor()
    await page.input('search').fill(ODD)
    await page.waitForFunction(() => document.querySelectorAll('[data-test=row]').length === 1)
    await page.locator('[data-test=row] a').click()
    await page.locator('[data-test=room-name]', { hasText: ODD }).waitFor()
    await page.locator('[data-test=room-online] .value', { hasText: '1' }).waitFor()
    await page.locator('[data-test=row]', { hasText: 'odd$user' }).waitFor()
  })

  it('says so when there is no such room', async () => {
    await go(page, server.base, '/n/demo/rooms')
    await page.input('search').fill('no-such-room')
    await page.locator('text=No rooms found').waitFor()
  })

  it('shows who is in a room, and its chart', async () => {
    await go(page, server.base, '/n/demo/room?name=news')
    await page.locator('[data-test=room-online] .value', { hasText: '21' }).waitFor()
    await page.locator('[data-test=chart-room-platforms][data-ready=true]').waitFor()
    await page.locator('[data-test=chart-room][data-ready=true]').waitFor({ timeout: 15_000 })
    await page.find('online-only').click()
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '21 shown')
    await page.find('online-only').click()
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '25 shown')
  })

  it('finds users and their devices', async () => {
    await go(page, server.base, '/n/demo/users')
    await page.input('search').fill('user3')
    await page.waitForFunction(() => document.querySelectorAll('[data-test=row]').length === 1)
    await page.locator('[data-test=row] a', { hasText: 'Devices' }).click()
    await page.locator('[data-test=row]', { hasText: 'device-3' }).waitFor()
    await page.locator('[data-test=row]', { hasText: 'device-18' }).waitFor()
  })

  it('searches devices by state', async () => {
    await go(page, server.base, '/n/demo/devices')
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '25 shown')
    await page.find('filter-online').click()
    await choose(page, 'Online')
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '21 shown')
    await page.find('filter-online').click()
    await choose(page, 'Offline')
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '4 shown')
    assert.equal(await page.locator('[data-test=row]', { hasText: 'Online' }).count(), 0)
    await page.find('filter-platform').click()
    await choose(page, 'iOS')
    await page.waitForFunction(() => document.querySelector('[data-test=row-count]')?.textContent === '1 shown')
    await page.find('filter-platform').click()
    await choose(page, 'All')
    await page.find('filter-online').click()
    await choose(page, 'All')
    await page.input('search').fill('device-22')
    await page.waitForFunction(() => document.querySelectorAll('[data-test=row]').length === 1)
    await page.locator('[data-test=row] a').first().click()
    await page.locator('[data-test=device-online]', { hasText: 'Offline' }).waitFor()
  })

  it('shows a device with its inbox and the fate of its messages', async () => {
    await server.tenant('push', { room: 'news', pushData: { text: 'kept' }, leaveMessage: true })
    await go(page, server.base, '/n/demo/device?id=' + encodeURIComponent('/demo#user8#android-device-23'))
    await page.locator('[data-test=recent] tr', { hasText: 'news' }).first().waitFor()
    await page.find('inbox').waitFor({ timeout: 20_000 })
    await page.locator('[data-test=recent]', { hasText: 'In inbox' }).waitFor()
    await page.shot('device-inbox')
  })

  it('opts a device out, mutes a room, and disconnects it', async () => {
    const id = '/demo#odd$user#ios-odd'
    await go(page, server.base, '/n/demo/device?id=' + encodeURIComponent(id))
    await page.find('optout').click()
    await page.locator('.el-message', { hasText: 'Offline delivery is off' }).waitFor()
    assert.equal((await server.tenant('client', { id })).leaveMessage, 'false')
    await page.find('optout').click()
    await page.locator('.el-message', { hasText: 'Offline delivery is on' }).waitFor()

    await page.input('mute-room').fill('news')
    await page.find('mute').click()
    await page.locator('[data-test=mutes]', { hasText: 'news' }).waitFor()
    assert.equal((await server.tenant('client', { id })).no_send_apns, 'news')
    await page.locator('[data-test=mutes] .el-tag__close').click()
    await page.locator('[data-test=mutes]', { hasText: 'None' }).waitFor()

    const gone = new Promise((done) => sockets.at(-1).once('disconnect', done))
    await page.find('kick').click()
    assert.equal(await gone, 'io server disconnect')
    await page.locator('[data-test=device-online]', { hasText: 'Offline' }).waitFor()
    page.clean()
  })
})
