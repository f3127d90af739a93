// Starts the real program, all roles in one process, on a free port and with data of its own.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const repository = join(fileURLToPath(import.meta.url), '..', '..', '..')
export const passwords = { admin: 'console-test-admin', viewer: 'console-test-viewer', demo: 'console-test-demo', reader: 'console-test-reader' }

let binary = process.env.LIGHTPUSH_BINARY

/** Builds once per run; LIGHTPUSH_BINARY names one that is built already. */
export function build() {
  if (binary) return binary
  binary = join(mkdtempSync(join(tmpdir(), 'lightpush-console-')), 'lightpush')
  execFileSync('go', ['build', '-o', binary, './cmd/lightpush'], { cwd: repository, stdio: 'inherit' })
  return binary
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address()
      probe.close(() => resolve(port))
    })
  })
}

export class Server {
  static async start(env = {}) {
    const server = new Server()
    server.data = mkdtempSync(join(tmpdir(), 'lightpush-console-data-'))
    server.port = await freePort()
    server.base = `http://127.0.0.1:${server.port}`
    server.env = {
      PATH: process.env.PATH,
      HOME: server.data,
      LIGHTPUSH_ADMIN_NAME: 'admin',
      LIGHTPUSH_ADMIN_PASSWD: passwords.admin,
      LIGHTPUSH_VIEWER_NAME: 'viewer',
      LIGHTPUSH_VIEWER_PASSWD: passwords.viewer,
      ...env,
    }
    await server.up()
    await server.admin('namespace/save', { key: '/demo', name: 'Demo', auth_passwd: passwords.demo, viewer_passwd: passwords.reader })
    return server
  }

  /** Starts the process, on the same port and data as before. */
  async up() {
    this.log = ''
    this.process = spawn(build(), ['--listen', `127.0.0.1:${this.port}`, '--data-dir', join(this.data, 'store')], { env: this.env, cwd: this.data })
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => (this.log += text))
    const gone = new Promise((_, reject) => this.process.once('exit', (code) => reject(new Error(`lightpush ended with ${code}:\n${this.log}`))))
    gone.catch(() => undefined)
    await Promise.race([gone, this.ready()])
  }

  async ready() {
    for (let i = 0; i < 200; i++) {
      const ok = await fetch(this.base + '/health').then((r) => r.ok, () => false)
      if (ok) return
      await new Promise((done) => setTimeout(done, 50))
    }
    throw new Error('not ready:\n' + this.log)
  }

  async down() {
    if (this.process.exitCode !== null || this.process.signalCode) return
    const ended = new Promise((done) => this.process.once('exit', done))
    this.process.kill('SIGTERM')
    const hard = setTimeout(() => this.process.kill('SIGKILL'), 5000)
    await ended
    clearTimeout(hard)
  }

  async end() {
    await this.down()
    if (existsSync(this.data)) rmSync(this.data, { recursive: true, force: true })
  }

  async call(path, body, credential) {
    const answer = await fetch(this.base + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: 'Basic ' + Buffer.from(credential).toString('base64'), 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`)
    return text ? JSON.parse(text) : {}
  }
  admin(path, body) {
    return this.call('/api/admin/' + path, body, 'admin:' + passwords.admin)
  }
  /** As the administrator acting for a namespace. */
  tenant(path, body, namespace = '/demo') {
    return this.call('/api/auth/' + path, body, `admin@${namespace}:${passwords.admin}`)
  }
}
