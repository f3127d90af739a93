// The server goes away and comes back, lists are huge, the page lives below a prefix.
import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import { go, launch, login, open } from './browser.mjs'
import { freePort, Server } from './server.mjs'

/** A reverse proxy as in doc/nginx: what is below the prefix goes on without it. */
async function proxy(target) {
  const rules = [['/tools/push-logic/', '/'], ['/tools/push/', '/'], ['/tools/push-admin/', '/push-admin/']]
  const map = (url) => rules.map(([from, to]) => url.startsWith(from) && to + url.slice(from.length)).find(Boolean)
  const forward = (req) => request({ host: '127.0.0.1', port: target, method: req.method, path: map(req.url), headers: req.headers })
  const server = createServer((req, res) => {
    if (!map(req.url)) return res.writeHead(404).end('not here')
    const out = forward(req)
    out.on('response', (answer) => {
      res.writeHead(answer.statusCode, answer.headers)
      answer.pipe(res)
    })
    out.on('error', () => res.writeHead(502).end('<html>bad gateway'))
    req.pipe(out)
  })
  server.on('upgrade', (req, socket, head) => {
    const out = forward(req)
    out.on('upgrade', (answer, upstream, first) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(answer.headers).map(([k, v]) => `${k}: ${v}`).join('\r\n')}\r\n\r\n`)
      if (first.length) socket.write(first)
      if (head.length) upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
      for (const s of [socket, upstream]) s.on('error', () => s.destroy())
    })
    out.on('error', () => socket.destroy())
    out.end()
  })
  const port = await freePort()
  await new Promise((done) => server.listen(port, '127.0.0.1', done))
  return { base: `http://127.0.0.1:${port}/tools`, close: () => (server.closeAllConnections(), server.close()) }
}

describe('resilience', () => {
  let server, browser
  before(async () => {
    server = await Server.start()
    browser = await launch()
  })
  after(async () => {
    await browser?.close()
    await server?.end()
  })

  it('says that the server is away, and goes on when it is back', async () => {
    const page = await open(browser)
    await login(page, server.base)
    await go(page, server.base, '/n/demo/push')
    await page.input('push-room').fill('still-here')
    await server.down()
    await page.find('send').click()
    await page.find('lost').waitFor()
    await page.locator('.el-message', { hasText: 'does not answer' }).waitFor()
    await page.shot('connection-lost')
    await server.up()
    await page.find('lost').waitFor({ state: 'detached' })
    assert.equal(await page.input('push-room').inputValue(), 'still-here')
    await page.find('send').click()
    await page.find('push-result').waitFor()
    page.clean()
    await page.context().close()
  })

  it('reads figures again by itself', async () => {
    const page = await open(browser)
    await login(page, server.base)
    await page.find('tile-clients').waitFor()
    await server.down()
    await page.find('lost').waitFor({ timeout: 15_000 })
    await server.up()
    await page.find('lost').waitFor({ state: 'detached' })
    const asked = page.waitForResponse((r) => r.url().includes('/overview') && r.ok())
    await asked
    page.clean()
    await page.context().close()
  })

  it('waits for a server that is not there yet', async () => {
    const page = await open(browser)
    await page.route('**/health', (route) => route.abort())
    await page.goto(server.base + '/push-admin/')
    await page.find('splash').waitFor()
    await page.unroute('**/health')
    await page.find('login-submit').waitFor({ timeout: 15_000 })
    await page.context().close()
  })

  it('works below a prefix, behind a proxy that strips it', async () => {
    const front = await proxy(server.port)
    const page = await open(browser)
    await login(page, front.base)
    await page.find('tile-clients').waitFor()
    await page.reload()
    await page.find('tile-clients').waitFor()
    await go(page, front.base, '/n/demo/simulator')
    for (const generation of [4, 2]) {
      await page.find('sim-v' + generation).click()
      await page.find('sim-add').click()
      await page.locator('[data-test=sim-state].on').nth(generation === 4 ? 0 : 1).waitFor()
    }
    page.clean()
    await page.context().close()
    front.close()
  })

  it('holds 1,000,000 devices and 100,000 rooms without many rows', async () => {
    const page = await open(browser)
    await login(page, server.base)
    const sizes = []
    const answer = (total, row) => (route) => {
      const query = new URL(route.request().url()).searchParams
      const at = Number(query.get('cursor') || 0)
      const size = Number(query.get('size'))
      sizes.push(size)
      return route.fulfill({ json: { list: Array.from({ length: Math.min(size, total - at) }, (_, i) => row(at + i)), cursor: at + size < total ? String(at + size) : '' } })
    }
    await page.route('**/api/auth/clients?**', answer(1_000_000, (i) => ({ id: `/demo#user${i}#web-device${i}`, userid: 'user' + i, platform: 'web', online: i % 2 === 0, node: 'n', lastConnect: 1795165670788, lastDisconnect: 0 })))
    await page.route('**/api/auth/rooms?**', answer(100_000, (i) => ({ name: 'room-' + i, users: i, online: { web: i, ios: 1, android: 2 }, total: { web: 2 * i, ios: 3, android: 4 } })))
    for (const route of ['/n/demo/devices', '/n/demo/rooms']) {
      await go(page, server.base, route)
      await page.find('row').first().waitFor()
      for (let i = 0; i < 25; i++) {
        await page.locator('.virtual .box').evaluate((box) => box.scrollTo(0, box.scrollHeight))
        await page.waitForTimeout(40)
      }
      const shown = Number((await page.find('row-count').textContent()).match(/\d+/)[0])
      assert.ok(shown > 1000, `only ${shown} rows were read`)
      assert.ok((await page.find('row').count()) < 60, 'too many rows in the page')
      const begun = await page.evaluate(() => performance.now())
      const frame = await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => done(performance.now()))))
      assert.ok(frame - begun < 1000, 'the page is blocked')
    }
    assert.ok(Math.max(...sizes) <= 200, 'pages are too large')
    page.clean()
    await page.context().close()
  })
})
