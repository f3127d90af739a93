// What an administrator sees of the whole installation.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { go, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { Server } from './server.mjs'

describe('installation', () => {
  let server, browser, page, socket
  before(async () => {
    server = await Server.start()
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
  })
  after(async () => {
    await browser?.close()
    socket?.disconnect()
    await server?.end()
  })

  it('shows live figures and the history the server keeps', async () => {
    await page.locator('[data-test=tile-clients] .value', { hasText: '0' }).waitFor()
    for (const chart of ['presence', 'traffic', 'arrival', 'platforms']) await page.locator(`[data-test=chart-${chart}][data-ready=true]`).waitFor()
    socket = await client(server.base, { uuid: 'one', userid: 'one', rooms: ['news'] })
    await server.tenant('push', { room: 'news', pushData: { n: 1 } })
    await page.locator('[data-test=tile-clients] .value', { hasText: '1' }).waitFor()
    await page.locator('[data-test=tile-arrival] .value', { hasText: '100%' }).waitFor()
    const asked = page.waitForRequest((r) => /\/api\/admin\/series\?hours=48&step=15/.test(r.url()))
    await page.find('range').locator('text=48 h').click()
    await asked
    await page.locator('[data-test=chart-live][data-ready=true]').waitFor()
  })

  it('loads no chart before one is shown', async () => {
    const other = await open(browser)
    const loaded = []
    other.on('request', (r) => loaded.push(r.url()))
    await other.goto(server.base + '/push-admin/')
    await other.find('login-submit').waitFor()
    assert.deepEqual(loaded.filter((u) => /echarts|socket\.io|esm-/.test(u)), [])
    assert.deepEqual(loaded.filter((u) => !u.startsWith(server.base)), [], 'another host was asked')
    await other.context().close()
  })

  it('saves a chart as a picture', async () => {
    const download = page.waitForEvent('download')
    await page.locator('[aria-label="Save as picture"]').first().click()
    assert.equal((await download).suggestedFilename(), 'presence.png')
  })

  it('lists nodes', async () => {
    await go(page, server.base, '/nodes')
    await page.locator('[data-test=nodes] tr', { hasText: `127.0.0.1:${server.port}` }).waitFor()
  })

  it('shows the health of the store', async () => {
    await go(page, server.base, '/redis')
    await page.find('redis').waitFor()
    await page.locator('text=append-only file').waitFor()
    await page.route('**/api/admin/redis', (route) =>
      route.fulfill({ json: { ok: false, latency: 120, version: '7.2', mode: 'single', usedMemory: 9e8, maxMemory: 1e9, policy: 'allkeys-lru', persistence: '', opsPerSecond: 1, connectedClients: 2, warnings: ['maxmemory-policy must be noeviction'] } }),
    )
    await page.locator('.el-alert', { hasText: 'noeviction' }).waitFor()
    await page.locator('.el-alert', { hasText: 'does not answer' }).waitFor()
    await page.unroute('**/api/admin/redis')
  })

  it('shows queues, and requeues dead letters', async () => {
    await go(page, server.base, '/queues')
    await page.find('queue-offline').waitFor()
    await page.locator('text=No dead letters').waitFor()
    assert.ok(await page.find('requeue-all').isDisabled())
    // Dead letters take minutes of failing callbacks: these are made up, the calls are looked at.
    let list = ['one', 'two', 'three'].map((n) => ({ id: `/demo#${n}#web-1|1`, attempts: 10, reason: 'answered <b>500</b>', enqueued: 1795165670788, buried: 1795165990788, namespace: '/demo', url: 'https://app.example/gone' }))
    const asked = []
    await page.route('**/api/admin/queue/dead?**', (route) => route.fulfill({ json: { total: list.length, list } }))
    await page.route('**/api/admin/queue/requeue', (route) => {
      const body = route.request().postDataJSON()
      asked.push(body)
      assert.ok(route.request().headers()['x-csrf-token'])
      const gone = body.ids ?? list.map((j) => j.id)
      list = list.filter((j) => !gone.includes(j.id))
      return route.fulfill({ json: { moved: gone.length } })
    })
    await page.find('dead-callback').click()
    await page.locator('[data-test=dead] tr', { hasText: '/demo#two' }).locator('.el-checkbox').click()
    await page.shot('dead-letters')
    await page.find('requeue-marked').click()
    await page.locator('[data-test=dead] tr', { hasText: '/demo#two' }).waitFor({ state: 'detached' })
    await page.find('requeue-all').click()
    await page.locator('text=No dead letters').waitFor()
    assert.deepEqual(asked, [{ queue: 'callback', ids: ['/demo#two#web-1|1'] }, { queue: 'callback' }])
    page.clean()
  })
})
