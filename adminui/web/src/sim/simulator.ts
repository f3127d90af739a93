// Simulated clients. They live as long as the page, also while other screens are shown.
import { markRaw, reactive } from 'vue'
import { clock } from '../lib/format'
import { randomName } from '../lib/names'
import { socketPath, v2Client, v4Client, type AnySocket } from './loaders'

export type Generation = 4 | 2

export interface SimConfig {
  generation: Generation
  namespace: string
  uuid: string
  userid: string
  platform: 'web' | 'ios' | 'android'
  activityBroadcast: boolean
  websocketOnly: boolean
  /** Further handshake parameters, such as a token. */
  extra: Record<string, string>
}

export interface LogLine {
  n: number
  time: number
  at: string
  kind: 'in' | 'out' | 'state' | 'fault'
  name: string
  text: string
  latency?: number
}

export interface Received {
  id: string
  room: string
  data: string
  time: number
  sendDate: number
  latency?: number
  acked: boolean
  inbox: boolean
}

const LOG_LINES = 500
const MESSAGES = 200

/** When this page sent a push, by message id: latencies need one clock only. */
const sent = new Map<string, number>()

export function noteSent(id: number | string, at: number) {
  sent.set(String(id), at)
  if (sent.size > 1000) sent.delete(sent.keys().next().value!)
  for (const sim of sims) {
    for (const m of sim.messages) if (m.id === String(id)) m.latency = Math.max(0, m.time - at)
    for (const l of sim.log) if (l.name === 'push' && l.text.includes(`"id":${id},`)) l.latency = Math.max(0, l.time - at)
  }
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'undefined'
  } catch {
    return String(value)
  }
}

export class Sim {
  readonly key = randomName('sim-')
  connected = false
  /** Wants to be connected; false after going offline. */
  wanted = false
  recovered = false
  clientId = ''
  autoAck = true
  ackDelay = 0
  rooms: string[] = []
  log: LogLine[] = []
  messages: Received[] = []
  private socket: AnySocket | null = null
  private lines = 0
  private timers = new Set<ReturnType<typeof setTimeout>>()

  constructor(readonly config: SimConfig) {}

  get title(): string {
    return `${this.config.userid || this.config.uuid} · ${this.config.platform}`
  }

  note(kind: LogLine['kind'], name: string, value?: unknown, time = Date.now()) {
    const text = value === undefined ? '' : typeof value === 'string' ? value : json(value)
    this.log.unshift({ n: ++this.lines, time, at: clock(time, true), kind, name, text: text.slice(0, 20_000) })
    if (this.log.length > LOG_LINES) this.log.length = LOG_LINES
    return this.log[0]
  }

  async connect() {
    this.wanted = true
    if (this.socket) {
      this.note('state', 'connecting')
      this.socket.io.reconnection(true)
      this.socket.connect()
      return
    }
    this.note('state', 'connecting', `Socket.IO ${this.config.generation}`)
    try {
      const io = await (this.config.generation === 4 ? v4Client() : v2Client())
      const path = await socketPath()
      if (!this.wanted) return
      const { uuid, userid, platform, activityBroadcast } = this.config
      const query: Record<string, string> = { uuid, platform }
      if (userid) query.userid = userid
      if (activityBroadcast) query.activityBroadcast = 'true'
      this.socket = markRaw(
        io(location.origin + this.config.namespace, {
          path: path + 'socket.io/',
          query: this.config.generation === 2 ? { ...this.config.extra, ...query } : query,
          auth: this.config.extra,
          forceNew: true,
          transports: this.config.websocketOnly ? ['websocket'] : ['polling', 'websocket'],
          reconnectionDelayMax: 5000,
        }) as AnySocket,
      )
      this.listen(this.socket)
    } catch (err) {
      this.wanted = false
      this.note('fault', 'load', (err as Error).message)
    }
  }

  private listen(socket: AnySocket) {
    socket.on('connect', () => {
      this.connected = true
      this.recovered = socket.recovered === true
      if (!this.recovered) this.rooms = []
      this.note('state', 'connect', this.recovered ? { recovered: true } : undefined)
    })
    socket.on('disconnect', (reason: string) => {
      this.connected = false
      this.note('state', 'disconnect', reason)
    })
    const failed = (err: unknown) => {
      this.note('fault', 'connect_error', err instanceof Error ? err.message : json(err))
      if (socket.active === false) this.wanted = false
    }
    socket.on('connect_error', failed)
    if (this.config.generation === 2) socket.on('error', failed)
    this.everything(socket, (name, args, ack) => this.received(name, args, ack))
  }

  /** Every event of the server; generation 2 has no onAny. */
  private everything(socket: AnySocket, take: (name: string, args: unknown[], ack?: () => void) => void) {
    const split = (list: unknown[]) => {
      const last = list[list.length - 1]
      return typeof last === 'function'
        ? { args: list.slice(0, -1), ack: last as () => void }
        : { args: list, ack: undefined }
    }
    if (socket.onAny) {
      socket.onAny((name: string, ...list: unknown[]) => {
        const { args, ack } = split(list)
        take(name, args, ack)
      })
      return
    }
    const inner = socket as unknown as { onevent(packet: { data: unknown[]; id?: number }): void; ack?(id: number): () => void }
    const before = inner.onevent.bind(socket)
    inner.onevent = (packet) => {
      const [name, ...args] = packet.data
      before(packet)
      take(String(name), args, packet.id === undefined || !inner.ack ? undefined : inner.ack.call(socket, packet.id))
    }
  }

  private received(name: string, args: unknown[], ack?: () => void) {
    const now = Date.now()
    const first = args[0] as Record<string, unknown> | undefined
    const line = this.note('in', name, args.length === 1 ? first : args, now)
    if (name === 'ok' && first) this.clientId = String(first.clientId ?? '')
    if (name === 'push' && first) {
      const m = this.keep(first, now, false)
      line.latency = m.latency
      if (this.autoAck) this.later(() => this.ack([m.id], ack))
    }
    if (name === 'offlineMessage' && Array.isArray(args[0])) {
      const ids = (args[0] as Record<string, unknown>[]).map((one) => this.keep(one, now, true).id)
      if (this.autoAck && ids.length) this.later(() => this.ack(ids, ack))
    }
    const room = first && typeof first === 'object' && 'targetRoom' in first ? String(first.targetRoom) : ''
    if (name === 'joinRoom' && room && !this.rooms.includes(room)) this.rooms.push(room)
    if (name === 'leaveRoom' && room) this.rooms = this.rooms.filter((r) => r !== room)
  }

  private keep(one: Record<string, unknown>, now: number, inbox: boolean): Received {
    const id = String(one.id)
    const begun = sent.get(id)
    const m: Received = {
      id,
      room: String(one.room ?? ''),
      data: json(one.pushData),
      time: now,
      sendDate: Number(one.sendDate) || 0,
      latency: begun === undefined ? undefined : Math.max(0, now - begun),
      acked: false,
      inbox,
    }
    this.messages.unshift(m)
    if (this.messages.length > MESSAGES) this.messages.length = MESSAGES
    return this.messages[0]
  }

  private later(run: () => void) {
    if (!this.ackDelay) return run()
    const timer = setTimeout(() => {
      this.timers.delete(timer)
      run()
    }, this.ackDelay)
    this.timers.add(timer)
  }

  /** Confirms messages; ack is the native one of the event, when it asked for one. */
  ack(ids: string[], ack?: () => void) {
    if (!this.connected) return
    if (ack) {
      ack()
      this.note('out', 'ack', ids.join(', '))
    } else {
      void this.emit('ackPush', ids.length === 1 ? { id: ids[0] } : { ids })
    }
    for (const m of this.messages) if (ids.includes(m.id)) m.acked = true
  }

  /** Sends an event and resolves with the server's answer; undefined when there is none within 10 s. */
  emit(name: string, data: unknown): Promise<unknown> {
    if (!this.socket || !this.connected) return Promise.resolve(undefined)
    this.note('out', name, data)
    const begun = performance.now()
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.note('fault', name, 'no answer')
        resolve(undefined)
      }, 10_000)
      this.socket!.emit(name, data, (answer: unknown) => {
        clearTimeout(timer)
        this.note('in', name + ' →', answer).latency = Math.round(performance.now() - begun)
        resolve(answer)
      })
    })
  }

  async join(names: string[]) {
    const answer = (await this.emit('joinRoom', names)) as { status?: number } | undefined
    if (answer?.status === 200) this.rooms = [...new Set([...this.rooms, ...names])]
  }
  async leave(names: string[]) {
    const answer = (await this.emit('leaveRoom', names)) as { status?: number } | undefined
    if (answer?.status === 200) this.rooms = this.rooms.filter((r) => !names.includes(r))
  }

  /** Says goodbye and stays away until connect. */
  goOffline() {
    this.wanted = false
    this.stopTimers()
    this.note('state', 'offline')
    this.socket?.disconnect()
  }

  /** Breaks the connection as a lost network would; the client comes back by itself. */
  drop() {
    this.note('state', 'drop')
    this.socket?.io.engine?.close()
  }

  private stopTimers() {
    for (const timer of this.timers) clearTimeout(timer)
    this.timers.clear()
  }

  end() {
    this.wanted = false
    this.stopTimers()
    this.socket?.disconnect()
    this.socket = null
  }
}

export const sims = reactive([]) as unknown as Sim[]

export function addSim(config: SimConfig): Sim {
  sims.push(new Sim(config))
  return sims[sims.length - 1]
}

export function removeSim(sim: Sim) {
  sim.end()
  const at = sims.findIndex((s) => s.key === sim.key)
  if (at >= 0) sims.splice(at, 1)
}
