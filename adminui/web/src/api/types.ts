// Shapes of the answers, as in doc/openapi.yaml.
import type { LimitName } from '../lib/limits'

export type Role = 'admin' | 'viewer' | 'owner' | 'reader'
export type Platform = 'web' | 'ios' | 'android'
export type PerPlatform = Record<Platform, number>

export interface Session {
  role: Role
  name: string
  namespace: string
  csrf: string
  expires: number
}

export interface Windows {
  minute: number
  hour: number
  day: number
}

export interface Overview {
  time: number
  clients: number
  users: number
  rooms: number
  total: number
  platforms: PerPlatform
  pushes: Windows
  deliveries: Windows
  acks: Windows
}

export type SeriesName = 'clients' | 'users' | 'rooms' | 'pushes' | 'deliveries' | 'acks'

export interface Series {
  from: number
  step: number
  points: number
  series: Record<SeriesName, (number | null)[]>
}

export interface Node {
  id: string
  role: string
  address: string
  version: string
  started: number
  lease: number
  clients: number
  sessions: number
  lag: { entries: number; ms: number }
  memory: number
  goroutines: number
  /** Cores in use: 0.25 is a quarter of one. */
  cpu: number
}

export interface RedisHealth {
  ok: boolean
  latency: number
  version: string
  mode: string
  usedMemory: number
  maxMemory: number
  policy: string
  persistence: string
  opsPerSecond: number
  connectedClients: number
  warnings: string[]
}

export type QueueName = 'offline' | 'callback'

export interface Queue {
  name: QueueName
  waiting: number
  ready: number
  working: number
  dead: number
  oldestDue: number
}

export interface DeadJob {
  id: string
  attempts: number
  reason: string
  enqueued: number
  buried: number
  namespace?: string
  url?: string
}

export interface ApnsProfile {
  name: string
  apns_env?: string
  apns_expiration?: string
  apns_topic?: string
  apns_dev_cert?: string
  apns_dev_key?: string
  apns_production_cert?: string
  apns_production_key?: string
  token_key?: string
  token_keyId?: string
  token_teamId?: string
  apns_host?: string
  del?: boolean
}

export interface Namespace extends Partial<Record<LimitName, number>> {
  key: string
  name: string | null
  connect_callback: string | null
  disconnect_callback: string | null
  auth_passwd: string | null
  viewer_passwd?: string | null
  apns_list: ApnsProfile[] | null
  update_date: string
  callback_auth: string | null
  callback_secret?: string | null
  auth?: string
  auth_key?: string | null
  auth_key_old?: string | null
  auth_jwks?: string
  auth_audience?: string
  offline: 'on' | 'off'
  client_push: 'on' | 'off'
  join_foreign_user_room: 'on' | 'off' | ''
  roomCount?: number
  userCount?: number
  clientCount?: number
  totalClientCount?: number
}

export interface Totals {
  userCount: number
  roomCount: number
  clientCount: number
}

export interface AuditEntry {
  time: number
  actor: string
  role: string
  address: string
  action: string
  namespace: string
  target: string
  detail: unknown
}

export interface Paged<T> {
  list: T[]
  total: number
}

export interface Cursored<T> {
  list: T[]
  cursor: string
}

export interface Room {
  name: string
  online: PerPlatform
  total: PerPlatform
  users: number
}

export interface RoomClient {
  id: string
  userid: string
  platform: Platform
  online: boolean
  since: number
}

export interface User {
  id: string
  devices: number
}

export interface Device {
  id: string
  userid: string
  platform: Platform
  online: boolean
  node?: string
  lastConnect: number
  lastDisconnect: number
}

export interface InboxEntry {
  id: string
  room: string
  sendDate: number
  expireAt: number
}

export interface RecentEntry {
  id: string
  room: string
  sendDate: number
  state: string
  at?: number | string
  reason?: string
}

export interface DeviceDetail {
  id: string
  record: Record<string, string>
  online: boolean
  node?: string
  since: number
  rooms: string[]
  mutes: string[]
  inbox: InboxEntry[]
  recent: RecentEntry[]
}

export interface PushRequest {
  room: string
  pushData: unknown
  leaveMessage?: boolean
  apnsName?: string
  expire?: number
  except?: string
  extra?: string
}

export type Outcome = 'socket' | 'inbox' | 'apns' | 'nothing'

export interface Explanation {
  message: Record<string, unknown>
  devices: { clientId: string; platform: Platform; online: boolean; outcome: Outcome; rule: string; detail?: string }[]
  counts: Record<Outcome, number>
  cursor: string
  total: number
}

/** Numbers of a message record are decimal strings. */
export interface Message {
  id: string
  room: string
  pushData: string
  namespace: string
  expire: string
  sendDate: string
  onlineClientCount: string
  ackCount: string
  ackIOSCount: string
  ackAndroidCount: string
  apnsCount?: string
  apnsSuccessCount?: string
  leaveMessage?: string
  apnsName?: string
  except?: string
  extra?: string
  from?: string
  result?: string
  acked?: number
  delivered?: number
}

export const RECEIPT_STATES = [
  'acked', 'online', 'inbox', 'delivered', 'apns', 'apns_failed', 'no_token', 'muted', 'optout', 'expired', 'live',
  'pending', 'excepted', 'missed',
] as const
export type ReceiptState = (typeof RECEIPT_STATES)[number]

export interface Receipt {
  clientId: string
  platform: Platform
  state: ReceiptState
  reason?: string
  at?: string
}

export interface Receipts {
  id: string
  receipts: Receipt[]
  next: string
}

/** How many devices of the audience are in each state, counted by the server; states with none are left out. */
export interface ReceiptStates {
  id: string
  states: Record<Platform, Partial<Record<ReceiptState, number>>>
  total: number
  /** false: there are more devices than the server counts. */
  complete: boolean
  time: number
}

export interface CallbackAnswer {
  status: number
  ms: number
  body: string
  error: string
}

export interface ApnsAnswer {
  status: number
  reason: string
  apnsId: string
}

export const KEY_SCOPES = ['push', 'read', 'admin'] as const
export type KeyScope = (typeof KEY_SCOPES)[number]

export interface ApiKey {
  id: string
  name: string
  scope: KeyScope
  created: number
  /** 0: never. */
  last_used: number
  by: string
}

/** The text of a key is answered once, when it is made. */
export interface NewApiKey extends ApiKey {
  key: string
}

export const REVOKE_KINDS = ['user', 'device', 'token'] as const
export type RevokeKind = (typeof REVOKE_KINDS)[number]

export interface Revocation {
  kind: RevokeKind
  value: string
  since: number
  until: number
  reason: string
  by: string
}

/** What happened to a message as a whole, and to one device when it was asked for. */
export interface TraceEvent {
  at: number
  event: string
  node?: string
  clientId?: string
  count?: number
  detail?: string
}

export interface TraceDevice {
  clientId: string
  userid: string
  platform: Platform
  state: ReceiptState
  reason: string
  /** 0: not kept. */
  at: number
  online: boolean
  /** Where and since when it is connected now. */
  node: string
  since: number
  /** Code of the rule that decided. */
  rule: string
  explanation: string
  steps: TraceEvent[]
}

export interface Trace {
  message: Message & { expireAt: number }
  time: number
  timeline: TraceEvent[]
  devices: TraceDevice[]
  cursor: string
}

export interface UserMessage {
  id: string
  room: string
  sendDate: number
  expireAt: number
  leaveMessage: boolean
  devices: { clientId: string; platform: Platform; state: ReceiptState; at: number; reason: string }[]
}

export interface UserMessages {
  user: string
  devices: { id: string; platform: Platform; online: boolean; node: string; since: number; lastConnect: number; lastDisconnect: number }[]
  /** The user has more devices than were looked at. */
  more: boolean
  rooms: number
  list: UserMessage[]
  cursor: string
  covers: { messages: number; from: number }
}
