import { describe, expect, it, vi } from 'vitest'
import { ApiError, Client, Unreachable, failure, queryString, type Hooks } from '../src/api/client'

const json = (status: number, body: unknown, headers: Record<string, string> = {}) => new Response(JSON.stringify(body), { status, headers })

function make(answers: (Response | Error)[], hooks: Partial<Hooks> = {}) {
  const calls: { url: string; init: RequestInit }[] = []
  const all: Hooks = { csrf: () => 'token-1', deputy: () => true, expired: async () => true, renew: async () => undefined, reachable: () => undefined, ...hooks }
  const send = (async (url: string, init: RequestInit) => {
    calls.push({ url, init })
    const answer = answers.shift()
    if (!answer) throw new Error('one call too many')
    if (answer instanceof Response) return answer
    throw answer
  }) as unknown as typeof fetch
  return { client: new Client('/base/', all, send), calls }
}
const header = (call: { init: RequestInit }, name: string) => (call.init.headers as Record<string, string>)[name]

describe('client', () => {
  it('sends the token with changes only, and no credential', async () => {
    const { client, calls } = make([json(200, { a: 1 }), json(200, {})])
    expect(await client.get('api/x', { query: { q: 'a b', none: '', list: ['1', '2'] } })).toEqual({ a: 1 })
    await client.post('api/y', { b: 2 })
    expect(calls[0].url).toBe('/base/api/x?q=a+b&list=1&list=2')
    expect(header(calls[0], 'X-CSRF-Token')).toBeUndefined()
    expect(header(calls[1], 'X-CSRF-Token')).toBe('token-1')
    expect(calls[1].init.body).toBe('{"b":2}')
    for (const call of calls) {
      expect(header(call, 'Authorization')).toBeUndefined()
      expect(call.init.credentials).toBe('same-origin')
    }
  })

  it('names the namespace for an installation only', async () => {
    const { client, calls } = make([json(200, {})])
    await client.get('x', { namespace: '/a/ü' })
    expect(header(calls[0], 'X-Namespace')).toBe('%2Fa%2F%C3%BC')
    const own = make([json(200, {})], { deputy: () => false })
    await own.client.get('x', { namespace: '/a' })
    expect(header(own.calls[0], 'X-Namespace')).toBeUndefined()
  })

  it.each([
    [401, 1006],
    [400, 1001],
  ])('asks to sign in again after %d %d, and repeats the call', async (status, code) => {
    let token = 'old'
    const expired = vi.fn(async () => ((token = 'new'), true))
    const { client, calls } = make([json(status, { code, msg: 'x' }), json(200, { id: 7 })], { expired, csrf: () => token })
    expect(await client.post('push', { room: 'r' })).toEqual({ id: 7 })
    expect(expired).toHaveBeenCalledOnce()
    expect(header(calls[1], 'X-CSRF-Token')).toBe('new')
    expect(calls[1].init.body).toBe('{"room":"r"}')
  })

  it('asks once for many calls', async () => {
    let finish: (ok: boolean) => void = () => undefined
    const expired = vi.fn(() => new Promise<boolean>((done) => (finish = done)))
    const gone = () => json(401, { code: 1006, msg: 'session expired' })
    const { client } = make([gone(), gone(), gone(), json(200, 1), json(200, 2), json(200, 3)], { expired })
    const all = Promise.all([client.get('a'), client.get('b'), client.get('c')])
    await vi.waitFor(() => expect(expired).toHaveBeenCalled())
    await new Promise((done) => setTimeout(done))
    finish(true)
    expect(await all).toEqual([1, 2, 3])
    expect(expired).toHaveBeenCalledOnce()
  })

  it('gives up when the person does', async () => {
    const { client } = make([json(401, { code: 1006, msg: 'session expired' })], { expired: async () => false })
    await expect(client.get('x')).rejects.toMatchObject({ status: 401, code: 1006 })
  })

  it('leaves a wrong password to the form', async () => {
    const expired = vi.fn(async () => true)
    const { client } = make([json(401, { code: 1003, msg: 'passwd error' })], { expired })
    await expect(client.post('login', {}, { session: false })).rejects.toMatchObject({ code: 1003 })
    expect(expired).not.toHaveBeenCalled()
  })

  it('renews a token that is out of date, once', async () => {
    const renew = vi.fn(async () => undefined)
    const bad = () => json(403, { code: 1007, msg: 'csrf token invalid' })
    const { client } = make([bad(), json(200, {})], { renew })
    await client.post('x')
    expect(renew).toHaveBeenCalledOnce()
    const twice = make([bad(), bad()], { renew })
    await expect(twice.client.post('x')).rejects.toMatchObject({ code: 1007 })
  })

  it('does not repeat what a role may not do', async () => {
    const { client, calls } = make([json(403, { code: 1008, msg: 'role may not do this' })])
    await expect(client.post('x')).rejects.toBeInstanceOf(ApiError)
    expect(calls.length).toBe(1)
  })

  it('reports whether the server answers', async () => {
    const reachable = vi.fn()
    const { client } = make([new TypeError('failed'), new Response('<html>', { status: 502 }), json(503, { code: 1202, msg: 'x' }), json(200, {})], { reachable })
    await expect(client.get('a')).rejects.toBeInstanceOf(Unreachable)
    await expect(client.get('b')).rejects.toBeInstanceOf(Unreachable)
    await expect(client.get('c')).rejects.toMatchObject({ status: 503, code: 1202 })
    await client.get('d')
    expect(reachable.mock.calls).toEqual([[false], [false], [true], [true]])
  })

  it('stays quiet when a call is given up', async () => {
    const reachable = vi.fn()
    const given = new AbortController()
    given.abort()
    const { client } = make([new DOMException('x', 'AbortError')], { reachable })
    await expect(client.get('a', { signal: given.signal })).rejects.toMatchObject({ name: 'AbortError' })
    expect(reachable).not.toHaveBeenCalled()
  })

  it('takes an empty answer, and refuses one that is no JSON', async () => {
    const { client } = make([new Response(null, { status: 204 }), new Response('<html>')])
    expect(await client.post('client', {})).toEqual({})
    await expect(client.get('x')).rejects.toMatchObject({ msg: 'unexpected answer' })
  })

  it('reads errors of every kind', () => {
    expect(failure(400, '{"code": 9999,"msg": "room invalid"}', null)).toMatchObject({ code: 9999, msg: 'room invalid' })
    expect(failure(429, '{"code":1005,"msg":"x"}', '60').retryAfter).toBe(60)
    expect(failure(400, 'Bad Request', null)).toMatchObject({ code: 0, msg: 'Bad Request' })
    expect(failure(500, '<html><script>', null).msg).toBe('')
    expect(failure(500, 'null', null).msg).toBe('null')
    expect(failure(500, '{"msg":5}', null).code).toBe(0)
    expect(queryString({ a: 0, b: false, c: null, d: undefined, e: '' })).toBe('?a=0&b=false')
  })
})
