// The routes by name. Those below /api/auth act for one namespace: the session's own, or the one given.
import type { Client, Options, Query } from './client'
import type * as T from './types'
import type { LimitsAnswer } from '../lib/limits'

type Opt = Pick<Options, 'signal'>

export class Api {
  constructor(private readonly http: Client) {}

  login(name: string, password: string) {
    // What stands before /api here: a proxy may have cut it off, and the cookie needs it.
    const prefix = this.http.base.replace(/\/$/, '')
    return this.http.post<T.Session>('api/console/login', { name, password, prefix }, { session: false })
  }
  session() {
    return this.http.get<T.Session>('api/console/session', { session: false })
  }
  logout() {
    return this.http.post<object>('api/console/logout', {}, { session: false })
  }

  // Installation
  overview(o: Opt = {}) {
    return this.http.get<T.Overview>('api/admin/overview', o)
  }
  series(hours: number, step: number, o: Opt = {}) {
    return this.http.get<T.Series>('api/admin/series', { ...o, query: { hours, step } })
  }
  nodes(o: Opt = {}) {
    return this.http.get<T.Node[]>('api/admin/nodes', o)
  }
  redis(o: Opt = {}) {
    return this.http.get<T.RedisHealth>('api/admin/redis', o)
  }
  queues(o: Opt = {}) {
    return this.http.get<T.Queue[]>('api/admin/queue', o)
  }
  dead(queue: T.QueueName, page: number, size: number, o: Opt = {}) {
    return this.http.get<T.Paged<T.DeadJob>>('api/admin/queue/dead', { ...o, query: { queue, page, size } })
  }
  requeue(queue: T.QueueName, ids?: string[]) {
    return this.http.post<{ moved: number }>('api/admin/queue/requeue', { queue, ids })
  }
  audit(query: Query, o: Opt = {}) {
    return this.http.get<T.Paged<T.AuditEntry>>('api/admin/audit', { ...o, query })
  }

  // Namespaces
  totals(o: Opt = {}) {
    return this.http.get<T.Totals>('api/admin/report/online', o)
  }
  namespaces(query: Query, o: Opt = {}) {
    return this.http.get<T.Paged<T.Namespace>>('api/admin/namespace/list', { ...o, query: { online: 'true', ...query } })
  }
  saveNamespace(patch: object) {
    return this.http.post<object>('api/admin/namespace/save', patch)
  }
  clearRealtime(namespace: string) {
    return this.http.post<object>('api/admin/namespace/clear-realtime-data', { namespace })
  }
  clearLegacy(namespace: string) {
    return this.http.post<string[]>('api/admin/clear-legacy-client', { namespace })
  }
  clear(namespace: string) {
    return this.http.post<object>('api/admin/namespace/clear/' + encodeURIComponent(namespace))
  }
  flush(namespace: string) {
    return this.http.post<object>('api/admin/namespace/flush/' + encodeURIComponent(namespace))
  }

  /** What concerns one namespace. */
  in(namespace: string) {
    return new NamespaceApi(this.http, namespace)
  }
}

export class NamespaceApi {
  constructor(
    private readonly http: Client,
    readonly namespace: string,
  ) {}

  private get<R>(path: string, o: Opt = {}, query?: Query) {
    return this.http.get<R>('api/auth/' + path, { ...o, query, namespace: this.namespace })
  }
  private post<R>(path: string, body: unknown, query?: Query) {
    return this.http.post<R>('api/auth/' + path, body, { query, namespace: this.namespace })
  }

  overview(o: Opt = {}) {
    return this.get<T.Overview>('overview', o)
  }
  series(hours: number, step: number, o: Opt = {}) {
    return this.get<T.Series>('series', o, { hours, step })
  }

  record(o: Opt = {}) {
    return this.get<T.Namespace>('namespace', o)
  }
  save(patch: object) {
    return this.post<object>('namespace/save', patch)
  }
  limits(o: Opt = {}) {
    return this.get<LimitsAnswer>('namespace/limits', o)
  }
  states(id: string, o: Opt = {}) {
    return this.get<T.ReceiptStates>('report/push/' + encodeURIComponent(id) + '/states', o)
  }
  /** clientId: of that device only. */
  trace(id: string, query: Query, o: Opt = {}) {
    return this.get<T.Trace>('message/' + encodeURIComponent(id) + '/trace', o, query)
  }
  userMessages(user: string, query: Query, o: Opt = {}) {
    return this.get<T.UserMessages>('user/' + encodeURIComponent(user) + '/messages', o, query)
  }
  testCallback(kind: 'connect' | 'disconnect', query: object) {
    return this.post<T.CallbackAnswer>('namespace/test-callback', { kind, query })
  }
  testApns(body: { apnsName?: string; deviceToken?: string; clientId?: string; payload?: unknown }) {
    return this.post<T.ApnsAnswer>('apns/test', body)
  }

  rooms(query: Query, o: Opt = {}) {
    return this.get<T.Cursored<T.Room>>('rooms', o, query)
  }
  room(name: string, o: Opt = {}) {
    return this.get<T.Room>('room', o, { name })
  }
  roomClients(query: Query, o: Opt = {}) {
    return this.get<T.Cursored<T.RoomClient>>('room/clients', o, query)
  }
  users(query: Query, o: Opt = {}) {
    return this.get<T.Cursored<T.User>>('users', o, query)
  }
  devices(query: Query, o: Opt = {}) {
    return this.get<T.Cursored<T.Device>>('clients', o, query)
  }
  device(id: string, o: Opt = {}) {
    return this.get<T.DeviceDetail>('device', o, { id })
  }
  kick(id: string) {
    return this.post<object>('device/kick', { id })
  }
  mute(id: string, add: string[], remove: string[]) {
    return this.post<object>('device/mute', { id, add, remove })
  }
  setOffline(id: string, leaveMessage: boolean) {
    return this.post<object>('client', { id, leaveMessage })
  }

  push(body: T.PushRequest) {
    return this.post<{ id: number }>('push', body)
  }
  explain(body: T.PushRequest, cursor = '') {
    return this.post<T.Explanation>('push', body, { explain: 1, cursor })
  }

  messages(query: Query, o: Opt = {}) {
    return this.get<T.Cursored<T.Message>>('messages', o, query)
  }
  message(id: string, o: Opt = {}) {
    return this.get<T.Message>('report/push/' + encodeURIComponent(id), o)
  }
  receipts(id: string, query: Query, o: Opt = {}) {
    return this.get<T.Receipts>('report/push/' + encodeURIComponent(id) + '/receipts', o, query)
  }

  keys(o: Opt = {}) {
    return this.get<{ list: T.ApiKey[] }>('apikeys', o)
  }
  createKey(name: string, scope: T.KeyScope) {
    return this.post<T.NewApiKey>('apikeys', { name, scope })
  }
  removeKey(id: string) {
    return this.post<object>('apikeys/remove', { id })
  }
  revocations(page: number, size: number, o: Opt = {}) {
    return this.get<T.Paged<T.Revocation>>('revoke', o, { page, size })
  }
  revoke(body: object) {
    return this.post<T.Revocation>('revoke', body)
  }
  lift(body: object) {
    return this.post<object>('revoke/lift', body)
  }
}
