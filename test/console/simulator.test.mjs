// Simulated clients of both generations.
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { choose, go, launch, login, open } from './browser.mjs'
import { Server } from './server.mjs'

describe('simulator', () => {
  let server, browser, page
  before(async () => {
    server = await Server.start()
    browser = await launch()
    page = await open(browser)
    await login(page, server.base)
    await go(page, server.base, '/n/demo/simulator')
  })
  after(async () => {
    await browser?.close()
    await server?.end()
  })
  const add = async (userid, { platform, generation = 4 } = {}) => {
    await page.input('sim-userid').fill(userid)
    if (platform) {
      await page.find('sim-platform').click()
      await choose(page, platform)
    }
    await page.find('sim-v' + generation).click()
    await page.find('sim-add').click()
    const sim = page.locator('[data-test=sim]', { hasText: userid })
    await sim.locator('[data-test=sim-state].on').waitFor()
    return sim
  }
  const log = (sim, text) => sim.locator('[data-test=sim-log] li', { hasText: text }).first()
  const tab = (sim, name) => sim.locator('.el-tabs__item', { hasText: name }).click()

  for (const generation of [4, 2]) {
    it(`connects, joins, receives and acks with generation ${generation}`, async () => {
      const user = 'gen' + generation
      const sim = await add(user, { generation })
      await sim.locator('[data-test=sim-id]', { hasText: `/demo#${user}#web-sim-` }).waitFor()
      await sim.locator('[data-test=sim-rooms] input, input[data-test=sim-rooms]').fill('alpha,beta')
      await sim.locator('[data-test=sim-join]').click()
      await sim.locator('[data-test=sim-joined]', { hasText: 'beta' }).waitFor()
      const { id } = await server.tenant('push', { room: 'beta', pushData: { from: 'outside' } })
      await sim.locator('[data-test=sim-messages] li', { hasText: '#' + id }).locator('[data-test=sim-acked]').waitFor()
      await page.waitForFunction(async (id) => (await (await fetch('/api/auth/report/push/' + id, { headers: { 'X-Namespace': '%2Fdemo' } })).json()).ackCount === '1', String(id))
      await sim.locator('[data-test=sim-leave]').click()
      await sim.locator('[data-test=sim-joined]').waitFor({ state: 'detached' })
      await sim.locator('[data-test=sim-push]').click()
      await sim.locator('[data-test=sim-latency]').first().waitFor()
      await tab(sim, 'Log')
      await log(sim, 'joinRoom').waitFor()
      await log(sim, 'ok').waitFor()
      await tab(sim, 'Events')
      await sim.locator('[data-test=sim-info]').fill('{"mobile":"139"}')
      await sim.locator('[data-test=sim-set-info]').click()
      await sim.locator('[data-test=sim-read-info]').click()
      await tab(sim, 'Log')
      await log(sim, '"mobile":"139"').waitFor()
    })
  }

  it('acks when told to, or later', async () => {
    const sim = await add('manual')
    await sim.locator('[data-test=sim-auto-ack]').click()
    await sim.locator('[data-test=sim-push]').click()
    await sim.locator('[data-test=sim-ack]').click()
    await sim.locator('[data-test=sim-acked]').waitFor()
    await sim.locator('[data-test=sim-auto-ack]').click()
    await sim.locator('.delay input').fill('700')
    await sim.locator('.delay input').press('Enter')
    await sim.locator('[data-test=sim-push]').click()
    const row = sim.locator('[data-test=sim-messages] li').first()
    await row.locator('[data-test=sim-ack]').waitFor()
    await row.locator('[data-test=sim-acked]').waitFor()
  })

  it('drops its connection and recovers what it missed', async () => {
    const sim = await add('dropper')
    await tab(sim, 'Log')
    await sim.locator('[data-test=sim-drop]').click()
    await log(sim, 'disconnect').waitFor()
    await sim.locator('[data-test=sim-state].on').waitFor()
    await log(sim, '"recovered":true').waitFor()
  })

  it('goes offline, and finds its inbox when it comes back', async () => {
    const sim = await add('away', { platform: 'Android' })
    await sim.locator('[data-test=sim-offline]').click()
    await sim.locator('[data-test=sim-online]').waitFor()
    const { id } = await server.tenant('push', { room: 'user_away', pushData: { text: 'kept' }, leaveMessage: true })
    const until = Date.now() + 15_000
    for (;;) {
      const { receipts } = await server.tenant(`report/push/${id}/receipts`)
      if (receipts[0]?.state === 'inbox') break
      assert.ok(Date.now() < until, 'the message does not reach the inbox')
      await new Promise((done) => setTimeout(done, 200))
    }
    await sim.locator('[data-test=sim-online]').click()
    await sim.locator('[data-test=sim-messages] li', { hasText: '#' + id }).locator('text=inbox').waitFor()
    await sim.locator('[data-test=sim-messages] li', { hasText: '#' + id }).locator('[data-test=sim-acked]').waitFor()
  })

  it('goes on while other pages are shown', async () => {
    await page.find('nav-messages').click()
    await page.locator('[data-test=nav-simulator] .badge', { hasText: '5' }).waitFor()
    await page.find('nav-simulator').click()
    assert.equal(await page.find('sim').count(), 5)
    await page.shot('simulator-many')
    await page.find('sim-remove-all').click()
    await page.find('sim').first().waitFor({ state: 'detached' })
    page.clean()
  })

  it('says why it is refused', async () => {
    await server.admin('namespace/save', { key: '/closed', name: 'Closed', auth_passwd: 'closed-password' })
    await server.admin('namespace/save', { key: '/closed', offline: 'on' })
    await go(page, server.base, '/n/closed/simulator')
    await page.find('sim-add').click()
    const sim = page.find('sim')
    await tab(sim, 'Log')
    await log(sim, 'this namespace offline').waitFor()
    page.clean()
  })
})
