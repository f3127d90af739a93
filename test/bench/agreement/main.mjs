// Does `lightpush simulate` tell the truth? The same scenario is measured in turn by it and by a client that shares no
// line with it: the official socket.io-client in Node, with its own clock, its own percentiles and its own counting.
//
//   make deps; go build -o lightpush ./cmd/lightpush; node test/bench/agreement/main.mjs ./lightpush
//
// 100 clients in one room, 40 pushes per second for 15 s, 4 turns of each, over a line that delays every byte by 50 ms:
// on the bare loopback both would mostly measure their own event loops. Prints a table; judges nothing.
import { spawn, execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import http from 'node:http'

const { io } = createRequire(new URL('../../e2e/clients/package.json', import.meta.url))('socket.io-client-v4')
const clients = 100
const rate = 40
const seconds = 15
const turns = 4
const delay = 50 // ms, each way
const connectRate = 100
const admin = 'agreement-admin'
const password = 'agreement-demo'
const namespace = '/demo'
const room = 'everybody'
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })

/** A process of its own, so that its work is nobody's latency: prints its port. */
async function line(target) {
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', noDelay: true })
    const pass = (from, to) => {
      from.on('data', (chunk) => setTimeout(() => to.destroyed || to.write(chunk), delay))
      from.on('close', () => setTimeout(() => to.destroy(), delay))
      from.on('error', () => to.destroy())
    }
    pass(near, far)
    pass(far, near)
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
}

async function main(binary) {
  const dir = mkdtempSync(join(tmpdir(), 'agreement-'))
  const server = spawn(binary, ['--listen', '127.0.0.1:0', '--data-dir', dir], {
    env: { ...process.env, LIGHTPUSH_ADMIN_PASSWD: admin, LIGHTPUSH_LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let proxy
  try {
    const port = Number((await find(server, /http:\/\/127\.0\.0\.1:(\d+)\//))[1])
    proxy = spawn(process.execPath, [import.meta.filename, '--line', port], { stdio: ['ignore', 'pipe', 'inherit'] })
    const slow = Number((await find(proxy, /^(\d+)/m))[1])
    await post(port, '/api/admin/namespace/save', `admin:${admin}`, { key: namespace, auth_passwd: password })
    const results = { simulate: [], official: [] }
    for (let turn = 1; turn <= turns; turn++) {
      for (const [name, measure] of [['simulate', simulate], ['official', official]]) {
        const result = await measure({ binary, dir, port, slow, turn })
        results[name].push(result)
        console.log(turn, name, JSON.stringify(result))
      }
    }
    console.log('\n| median of', turns, '| simulate | official client | difference |\n|---|--:|--:|--:|')
    for (const key of Object.keys(results.official[0])) {
      const [a, b] = [median(results.simulate, key), median(results.official, key)]
      const difference = a === b ? '0' : `${((a / b - 1) * 100).toFixed(1)} %`
      console.log(`| ${key} | ${round(a)} | ${round(b)} | ${difference} |`)
    }
  } finally {
    proxy?.kill()
    server.kill()
    await once(server, 'exit')
    rmSync(dir, { recursive: true })
  }
}

async function find(child, pattern) {
  let text = ''
  for await (const chunk of child.stdout) {
    const match = (text += chunk).match(pattern)
    if (match) {
      child.stdout.resume()
      return match
    }
  }
  throw new Error(`it ended: ${text}`)
}

function post(port, path, credential, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(
      { agent, port, path, host: '127.0.0.1', method: 'POST', auth: credential, headers: { 'Content-Type': 'application/json' } },
      (response) => {
        response.resume()
        response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error(`${path}: ${response.statusCode}`))))
      },
    )
    request.on('error', reject)
    request.end(JSON.stringify(body))
  })
}


function simulate({ binary, dir, port, slow, turn }) {
  const report = join(dir, 'report.json')
  const args = [
    'simulate', '--plain', '--progress', '60s', '--server', `http://127.0.0.1:${slow}`, '--push-server', `http://127.0.0.1:${port}`,
    '--client-namespace', namespace, '--push-password', password, '--client-total', clients, '--connect-rate', connectRate,
    '--public-room', room, '--join-room-rule', '', '--push-rate', rate, '--push-senders', 8, '--duration', `${seconds}s`,
    '--push-target', 'room', '--report', report, '--client-uuid-prefix', `s${turn}-`, '--seed', turn,
  ]
  execFileSync(binary, args.map(String), { stdio: ['ignore', 'ignore', 'pipe'] })
  const r = JSON.parse(readFileSync(report))
  return {
    'connects/s': r.connects_per_second,
    'pushes accepted': r.push_accepted,
    delivered: r.delivered,
    lost: r.lost,
    'deliveries/s': r.deliveries_per_second,
    'latency p50, ms': r.delivery_latency.p50_ms,
    'latency p99, ms': r.delivery_latency.p99_ms,
  }
}

async function official({ port, slow, turn }) {
  const latencies = []
  let ready = 0
  const began = performance.now()
  let last = began
  const sockets = []
  await new Promise((resolve, reject) => {
    let i = 0
    const timer = setInterval(() => {
      while (i < clients && i < ((performance.now() - began) / 1000) * connectRate) open(i++)
      if (i === clients) clearInterval(timer)
    }, 2)
    const open = (n) => {
      const socket = io(`http://127.0.0.1:${slow}${namespace}`, {
        transports: ['websocket'], forceNew: true, reconnection: false, query: { uuid: `o${turn}-${n}`, userid: `o${turn}-${n}`, platform: 'web' },
      })
      sockets.push(socket)
      socket.on('connect_error', reject)
      socket.on('connect', () =>
        socket.emit('joinRoom', [room], () => {
          last = performance.now()
          if (++ready === clients) resolve()
        }),
      )
      socket.on('push', (message) => {
        latencies.push(performance.now() - message.pushData.due)
        socket.emit('ackPush', { id: message.id })
      })
    }
  })
  const connects = clients / ((last - began) / 1000)

  const start = performance.now()
  let [sent, accepted, finished] = [0, 0, 0]
  const total = rate * seconds
  await new Promise((resolve) => {
    const timer = setInterval(() => {
      for (; sent < total && start + (sent * 1000) / rate <= performance.now(); sent++) {
        const due = start + (sent * 1000) / rate
        post(port, '/api/auth/push', `${namespace}:${password}`, { room, pushData: { due, filling: 'x'.repeat(128) } })
          .then(() => accepted++, console.error)
          .finally(() => ++finished === total && resolve())
      }
      if (sent === total) clearInterval(timer)
    }, 1)
  })
  const deadline = performance.now() + 5000
  while (latencies.length < accepted * clients && performance.now() < deadline) await new Promise((next) => setTimeout(next, 20))
  const took = (performance.now() - start) / 1000
  for (const socket of sockets) socket.disconnect()
  latencies.sort((a, b) => a - b)
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.ceil(latencies.length * share) - 1)]
  return {
    'connects/s': connects,
    'pushes accepted': accepted,
    delivered: latencies.length,
    lost: accepted * clients - latencies.length,
    'deliveries/s': latencies.length / took,
    'latency p50, ms': at(0.5),
    'latency p99, ms': at(0.99),
  }
}

function median(list, key) {
  const sorted = list.map((r) => r[key]).sort((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

const round = (n) => (n >= 100 ? n.toFixed(0) : n.toFixed(1))

if (process.argv[2] === '--line') await line(Number(process.argv[3]))
else await main(process.argv[2] ?? './lightpush')
