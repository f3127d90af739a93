// A trial by hand, not part of make test: the console on a busy server. It starts the binary and `lightpush simulate` with
// thousands of clients, opens every screen in both languages, light and dark, wide and narrow, measures how long each takes
// and blocks, keeps pictures, and compares the overview with the counters of /metrics over the same minutes.
//
//   LIGHTPUSH_BINARY=./lightpush CONSOLE_ARTEFACTS=/tmp/busy node busy.mjs [--clients 10000] [--rate 500] [--minutes 0] [--looks all|two]
//
// Ends with 1 when something is wrong: the list is at the end, everything in report.json.
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { artefacts, launch, login, open } from './browser.mjs'
import { client } from './clients.mjs'
import { access, faults, screens, show } from './screens.mjs'
import { build, freePort, passwords, Server } from './server.mjs'

const { values: options } = parseArgs({
  options: {
    clients: { type: 'string', default: '10000' }, rate: { type: 'string', default: '500' }, minutes: { type: 'string', default: '0' },
    looks: { type: 'string', default: 'all' }, 'connect-rate': { type: 'string', default: '300' },
    // Longest a screen may usually hold the page's thread, ms, a single time three times that; and how far charts may be from
    // the counters.
    block: { type: 'string', default: '500' }, tolerance: { type: 'string', default: '0.05' },
  },
})
const CLIENTS = Number(options.clients)
const RATE = Number(options.rate)
const ROOM = 'w-room'
const pictures = join(artefacts, 'busy')
mkdirSync(pictures, { recursive: true })
const pause = (ms) => new Promise((done) => setTimeout(done, ms))
const say = (...words) => console.log(new Date().toISOString().slice(11, 19), ...words)
const problems = []
const refused = []

/** Sums of the metrics this trial looks at. */
async function scrape(port) {
  const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((r) => r.text())
  const sum = (name, has = '') =>
    text.split('\n').filter((l) => (l.startsWith(name + ' ') || l.startsWith(name + '{')) && l.includes(has)).reduce((n, l) => n + Number(l.slice(l.lastIndexOf(' '))), 0)
  return {
    at: Date.now(), pushes: sum('lightpush_push_seconds_count'), deliveries: sum('lightpush_deliveries_total'), acks: sum('lightpush_acks_total'),
    clients: sum('lightpush_devices'), dropped: sum('lightpush_receipts_dropped_total'),
  }
}

/** Reads the counters at the beginning of every minute. */
function watch(port) {
  const marks = []
  let timer
  const plan = () => {
    const next = Math.ceil((Date.now() + 5) / 60_000) * 60_000
    timer = setTimeout(async () => {
      const got = await scrape(port).catch(() => undefined)
      if (got) marks.push({ ...got, minute: next, late: got.at - next })
      plan()
    }, next - Date.now())
  }
  plan()
  return { marks, stop: () => clearTimeout(timer) }
}

function simulate(server) {
  const run = spawn(
    build(),
    [
      'simulate', '--server', server.base, '--client-namespace', '/demo', '--client-total', String(CLIENTS), '--connect-rate', options['connect-rate'], '--public-room', ROOM,
      // Ten clients in most rooms: so many deliveries per push are what one small machine can do beside a browser.
      '--join-room-rule', `room,${Math.ceil(CLIENTS / 2)},5`, '--client-platform', 'web=60,ios=15,android=25', '--client-protocol', '3=20,4=80', '--push-rate', String(RATE), '--push-size', '100=90,2000=10',
      '--ack-ratio', '0.97', '--ack-delay', '0s..300ms', '--churn', '0.0005', '--duration', '2h', '--drain', '5s', '--plain', '--progress', '15s', '--report', join(artefacts, 'busy-simulate.json'),
    ],
    { env: { PATH: process.env.PATH, HOME: server.data, PUSH_PASSWORD: passwords.demo } },
  )
  run.log = ''
  for (const stream of [run.stdout, run.stderr]) stream.on('data', (text) => (run.log = (run.log + text).slice(-20_000)))
  run.over = new Promise((done) => run.once('exit', done))
  return run
}

const LOOKS = []
for (const [language, short] of [['en', 'en'], ['zh-CN', 'zh']])
  for (const theme of ['light', 'dark'])
    for (const [size, width, height] of [['wide', 1440, 900], ['narrow', 390, 844]]) LOOKS.push({ name: `${theme}-${size}-${short}`, language, theme, width, height })
const chosen = options.looks === 'two' ? LOOKS.filter((l) => ['light-wide-en', 'dark-narrow-zh'].includes(l.name)) : LOOKS

/** Long tasks of the page and its first paint, for the whole life of a page. */
const observe = () => {
  window.tasks = []
  new PerformanceObserver((list) => list.getEntries().forEach((e) => window.tasks.push({ at: e.startTime, ms: e.duration }))).observe({ type: 'longtask', buffered: true })
}
const sinceMark = (page) =>
  page.evaluate(() => {
    const list = window.tasks.splice(0)
    return { longest: Math.round(Math.max(0, ...list.map((t) => t.ms))), blocked: Math.round(list.reduce((n, t) => n + Math.max(0, t.ms - 50), 0)) }
  })
/** How long the page takes to answer: two frames. */
const answers = (page) => page.evaluate(() => new Promise((done) => { const t = performance.now(); requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(performance.now() - t)))) }))

async function visit(browser, server, look, where) {
  const page = await open(browser, look)
  await page.addInitScript(observe)
  const rows = []
  let at = 'first load'
  // What a busy server refuses; the page asks again by itself.
  page.on('response', (r) => r.status() >= 500 && refused.push(`${look.name} ${at}: ${r.status()} ${r.request().method()} ${new URL(r.url()).pathname}`))
  let begun = performance.now()
  await page.goto(server.base + '/push-admin/')
  await page.find('login-submit').waitFor()
  rows.push({ look: look.name, screen: 'first load', ready: Math.round(performance.now() - begun), ...(await sinceMark(page)) })
  try {
    await login(page, server.base)
  } catch (err) {
    await page.screenshot({ path: join(pictures, `login-failed-${look.name}.png`) })
    problems.push(`${look.name}: the login took more than 25 s: ${await page.evaluate(() => document.body.innerText.slice(0, 300))}`)
    await login(page, server.base)
  }
  for (const [name, route] of Object.entries(where)) {
    await sinceMark(page)
    begun = performance.now()
    const row = { look: look.name, screen: (at = name) }
    rows.push(row)
    try {
      await show(page, server.base, name, route, 20_000, () => (row.interactive = Math.round(performance.now() - begun)))
    } catch (err) {
      problems.push(`${look.name} ${name}: ${String(err).split('\n')[0]}`)
    }
    row.ready = Math.round(performance.now() - begun)
    // A large list is pulled to its end a few times: the page must stay free.
    const box = page.locator('.virtual .box').first()
    if (await box.count()) {
      for (let i = 0; i < 6; i++) {
        await box.evaluate((b) => b.scrollTo(0, b.scrollHeight), undefined, { timeout: 5000 }).catch(() => undefined)
        await pause(60)
      }
      row.rows = Number((await page.find('row-count').first().textContent().catch(() => '0')).replaceAll(/\D/g, ''))
      await box.evaluate((b) => b.scrollTo(0, 0), undefined, { timeout: 5000 }).catch(() => undefined)
    }
    await page.evaluate(() => window.scrollTo(0, 0))
    await pause(250) // transitions, for the picture
    Object.assign(row, await sinceMark(page), { frame: await answers(page) })
    await page.screenshot({ path: join(pictures, `${name}-${look.name}.png`), fullPage: true })
    problems.push(...(await faults(page, name)).map((f) => `${look.name}: ${f}`))
    if (row.longest > 3 * Number(options.block)) problems.push(`${look.name} ${name}: the page was blocked for ${row.longest} ms`)
  }
  problems.push(...page.faults.map((f) => `${look.name}: ${f}`))
  await page.context().close()
  return rows
}

/** The overview's charts and tiles beside the counters of the same minutes. */
async function compare(page, marks, minutes) {
  const rows = []
  const answer = await page.evaluate(() => fetch('/api/admin/series?hours=1&step=1', { headers: { Accept: 'application/json' } }).then((r) => r.json()))
  const step = answer.step < 1000 ? answer.step * 60_000 : answer.step
  for (const minute of minutes) {
    const [a, b] = [marks.find((m) => m.minute === minute), marks.find((m) => m.minute === minute + 60_000)]
    if (!a || !b) continue
    const i = Math.round((minute - answer.from) / step)
    for (const name of ['pushes', 'deliveries', 'acks']) rows.push(figure(minute, name, answer.series[name][i], b[name] - a[name]))
    rows.push(figure(minute, 'clients', answer.series.clients[i], b.clients))
  }
  return rows
}
function figure(minute, name, chart, metrics) {
  const off = metrics ? Math.abs((chart ?? 0) - metrics) / metrics : Number(chart !== 0)
  const row = { minute: new Date(minute).toISOString().slice(11, 16), name, chart, metrics, off: Math.round(off * 10_000) / 100 }
  if (off > Number(options.tolerance)) problems.push(`${row.minute} ${name}: the chart says ${chart}, /metrics ${metrics} (${row.off}%)`)
  return row
}

const metrics = await freePort()
const server = await Server.start({ LIGHTPUSH_METRICS_LISTEN: `127.0.0.1:${metrics}`, LIGHTPUSH_LOG_LEVEL: 'warn' })
const cleanup = []
try {
  const run = simulate(server)
  cleanup.push(async () => {
    run.kill('SIGINT')
    await Promise.race([run.over, pause(60_000)])
    run.kill('SIGKILL')
  })
  say(`${CLIENTS} clients connect at ${options['connect-rate']} per second…`)
  for (;;) {
    const now = await scrape(metrics)
    if (now.clients >= CLIENTS * 0.995) break
    if (run.exitCode !== null) throw new Error('lightpush simulate ended:\n' + run.log)
    await pause(2000)
  }
  await pause(5000)
  const watcher = watch(metrics)
  cleanup.push(() => watcher.stop())
  // Devices that are away, so that inboxes and the offline run have something to show; and one message to everybody.
  const away = []
  for (let i = 0; i < 6; i++) away.push(await client(server.base, { uuid: 'away' + i, userid: 'traveller' + (i % 3), platform: i % 2 ? 'android' : 'ios', rooms: [ROOM] }))
  away.forEach((s) => s.disconnect())
  await access(server)
  const { id } = await server.tenant('push', { room: ROOM, pushData: { title: 'To everybody', text: 'One message to ' + CLIENTS + ' devices' }, leaveMessage: true })
  const found = (await server.tenant('clients?q=wid1&online=1&size=1')).list[0]
  const where = screens({ device: found.id, user: encodeURIComponent(found.userid), room: ROOM, message: id })
  const browser = await launch()
  cleanup.push(() => browser.close())
  say(`${(await scrape(metrics)).clients} clients online, ${RATE} pushes per second; device ${found.id}, message ${id}`)

  const rows = []
  for (const look of chosen) {
    const begun = performance.now()
    rows.push(...(await visit(browser, server, look, where)))
    say(`${look.name}: ${Object.keys(where).length} screens in ${Math.round((performance.now() - begun) / 1000)} s`)
  }
  // Two whole minutes at least, and the sampler a moment to keep the last.
  const until = Date.now() + Number(options.minutes) * 60_000
  while (watcher.marks.length < 3 || Date.now() < until) await pause(1000)
  await pause(15_000)
  const page = await open(browser, { width: 1440, height: 900 })
  await login(page, server.base)
  await show(page, server.base, 'overview', '/overview', 20_000)
  const minutes = watcher.marks.slice(0, -1).map((m) => m.minute)
  const figures = await compare(page, watcher.marks, minutes)
  // What the page itself says: the tiles now, and the last minute of its charts in words.
  const now = await scrape(metrics)
  const number = async (where) => Number((await page.locator(where).first().innerText()).replaceAll(/[^\d.]/g, ''))
  const tile = await number('[data-test=tile-clients] .value')
  const shown = { traffic: await page.find('chart-traffic-summary').textContent(), presence: await page.find('chart-presence-summary').textContent() }
  figures.push(figure(Date.now(), 'clients, tile', tile < 100 ? tile * 1000 : tile, now.clients))
  const last = figures.filter((f) => f.name === 'deliveries').at(-1)
  const page1 = Number(shown.traffic.match(/Deliveries ([\d,]+)/)?.[1].replaceAll(',', ''))
  if (last && !figures.some((f) => f.name === 'deliveries' && f.chart === page1)) problems.push(`the page's chart ends with ${page1} deliveries, which the API did not say`)
  if (now.dropped) problems.push(`${now.dropped} receipts were dropped`)
  await page.screenshot({ path: join(pictures, 'overview-after.png'), fullPage: true })
  // Quiet again: nothing waits to be recorded any more, so the counters of the day and those of the process are the same.
  run.kill('SIGINT')
  await Promise.race([run.over, pause(60_000)])
  let still = await scrape(metrics)
  for (let quiet = 0; quiet < 5; ) {
    await pause(1000)
    const next = await scrape(metrics)
    quiet = next.acks === still.acks && next.deliveries === still.deliveries ? quiet + 1 : 0
    still = next
  }
  const day = await server.call('/api/admin/overview', undefined, 'admin:' + passwords.admin)
  for (const name of ['pushes', 'deliveries', 'acks']) figures.push(figure(Date.now(), name + ', whole day', day[name].day, still[name]))
  problems.push(...page.faults)

  const worst = [...rows].sort((a, b) => b.longest - a.longest).slice(0, 12)
  const table = [...new Set(rows.map((r) => r.screen))].map((screen) => [screen, rows.filter((r) => r.screen === screen)]).map(([screen, list]) => ({ screen, interactive: median(list.map((r) => r.interactive ?? r.ready)), ready: median(list.map((r) => r.ready)), slowest: Math.max(...list.map((r) => r.ready)), usual: median(list.map((r) => r.longest)), longest: Math.max(...list.map((r) => r.longest)), blocked: Math.max(...list.map((r) => r.blocked)), frame: Math.max(0, ...list.map((r) => r.frame ?? 0)), rows: Math.max(0, ...list.map((r) => r.rows ?? 0)) }))
  for (const r of table) if (r.usual > Number(options.block)) problems.push(`${r.screen}: the page is usually blocked for ${r.usual} ms`)
  console.table(table)
  console.table(figures)
  console.log(shown)
  if (refused.length) console.log('Answers 5xx:\n' + refused.map((r) => '- ' + r).join('\n'))
  writeFileSync(join(artefacts, 'busy-report.json'), JSON.stringify({ clients: CLIENTS, rate: RATE, screens: table, worst, figures, shown, problems, refused, log: server.log.slice(-20_000), marks: watcher.marks, simulate: run.log.split('\n').slice(-6) }, null, 2))
} finally {
  for (const end of cleanup.reverse()) await end()
  await server.end()
}
console.log(problems.length ? 'Problems:\n' + problems.map((p) => '- ' + p).join('\n') : 'No problems.')
console.log('pictures: ' + pictures)
process.exitCode = problems.length ? 1 : 0

function median(list) {
  return list.sort((a, b) => a - b)[Math.floor(list.length / 2)]
}
