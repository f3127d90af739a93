import { describe, expect, it } from 'vitest'
import { apiCandidates, findApi, isServer, ownPath, siteRoot, socketCandidates } from '../src/api/base'
import * as format from '../src/lib/format'
import { check, faultOffset, place, pretty, tokens } from '../src/lib/json'
import { nameFault, randomName, splitNames, withSlash } from '../src/lib/names'
import { MASK, emptyProfile, patch, toForm } from '../src/lib/namespaceForm'
import { load, remove, save, type Template } from '../src/lib/templates'

describe('addresses', () => {
  it.each([
    ['/push-admin/', '/'],
    ['/push-admin', '/'],
    ['/push-admin/index.html', '/'],
    ['/tools/push-admin/', '/tools/'],
    ['/a/b/PUSH-ADMIN/', '/a/b/'],
    ['/', '/'],
    ['/dev/index.html', '/dev/'],
    ['//evil.example/push-admin/', '/evil.example/'],
  ])('root of %s is %s', (path, want) => expect(siteRoot(path)).toBe(want))

  it.each([
    ['/push-logic', '/push-logic/'],
    ['/push-logic/', '/push-logic/'],
    ['/', '/'],
    ['//evil.example/', ''],
    ['/\\evil.example/', ''],
    ['https://evil.example/', ''],
    ['push-logic', ''],
    ['/a?b', ''],
    ['', ''],
    [null, ''],
  ])('%s is the own path %s', (text, want) => expect(ownPath(text)).toBe(want))

  it('lists candidates, told ones first', () => {
    expect(apiCandidates('/push-admin/', '', null)).toEqual(['/', '/push-logic/'])
    expect(apiCandidates('/x/push-admin/', '?api=/y', '/z/')).toEqual(['/y/', '/z/', '/x/', '/x/push-logic/'])
    expect(apiCandidates('/push-admin/', '?api=//evil', null)).toEqual(['/', '/push-logic/'])
    expect(socketCandidates('/push-admin/', '')).toEqual(['/', '/push/'])
  })

  it('tells the server by its answer', async () => {
    expect(await isServer(new Response('hello'))).toBe(true)
    expect(await isServer(new Response('not ready', { status: 503, headers: { from: 'light-push' } }))).toBe(true)
    expect(await isServer(new Response('<html>', { status: 200 }))).toBe(false)
    expect(await isServer(new Response('hello', { status: 404 }))).toBe(false)
  })

  it('finds the first that answers', async () => {
    const get = async (url: string) => {
      if (url === '/health') throw new TypeError('refused')
      return new Response(url === '/push-logic/health' ? 'hello' : 'no')
    }
    expect(await findApi(['/', '/push-logic/'], get)).toBe('/push-logic/')
    expect(await findApi(['/', '/other/'], get)).toBeUndefined()
  })
})

describe('format', () => {
  it('writes numbers', () => {
    expect(format.count('1234567')).toBe('1,234,567')
    expect(format.count(undefined)).toBe('–')
    expect(format.count('x')).toBe('–')
    expect(format.short(9999)).toBe('9,999')
    expect(format.short(12_345)).toBe('12.3K')
    expect(format.percent(1, 3)).toBe('33%')
    expect(format.percent(1, 1000)).toBe('<1%')
    expect(format.percent(999, 1000)).toBe('>99%')
    expect(format.percent(0, 0)).toBe('–')
    expect(format.percent(1000, 1000)).toBe('100%')
  })
  it('writes sizes and durations', () => {
    expect(format.bytes(1023)).toBe('1023 B')
    expect(format.bytes(1536)).toBe('1.5 KiB')
    expect(format.bytes(21_514_520)).toBe('21 MiB')
    expect(format.bytes(-1)).toBe('–')
    expect(format.duration(0.064)).toBe('0.1 ms')
    expect(format.duration(850)).toBe('850 ms')
    expect(format.duration(12_340)).toBe('12.3 s')
    expect(format.duration(3 * 3600_000 + 60_000)).toBe('3 h 1 min')
    expect(format.duration(50 * 3600_000)).toBe('2 d 2 h')
    expect(format.duration(undefined)).toBe('–')
  })
  it('writes times', () => {
    expect(format.time('1795165670788')).toMatch(/^2026-11-20 \d\d:\d\d:50$/)
    for (const none of [0, '', null, undefined, 'x', -5, 9e99]) expect(format.time(none)).toBe('–')
    expect(format.clock(1795165670788, true)).toMatch(/:50\.788$/)
  })
  it.each([
    ['/demo#ann#web-a1', { user: 'ann', platform: 'web', uuid: 'a1' }],
    ['/demo#a#b#ios-x#y', { user: 'a#b', platform: 'ios', uuid: 'x#y' }],
    ['/demo#ann#toaster-1', { user: '', platform: '', uuid: 'ann#toaster-1' }],
    ['nonsense', { user: '', platform: '', uuid: 'nonsense' }],
  ])('takes %s apart', (id, want) => expect(format.clientParts(id, '/demo')).toEqual(want))
})

describe('json', () => {
  it.each(['{}', '[]', '{"a":[1,-2.5e3,true,false,null,"\\u00e9\\n"]}', ' 1 ', '"x"'])('takes %s', (text) => {
    expect(faultOffset(text)).toBe(-1)
    expect(check(text).fault).toBeUndefined()
  })
  it.each([
    ['{"a" 1}', 1, 6],
    ['{\n  "a": 1,\n}', 3, 1],
    ['[1,]', 1, 4],
    ['{"a":tru}', 1, 9],
    ["{'a':1}", 1, 2],
    ['{"a":"\n"}', 1, 7],
    ['[01]', 1, 3],
    ['{"a":1} x', 1, 9],
    ['{"a":', 1, 6],
    ['"\\x"', 1, 3],
  ])('finds the fault of %j', (text, line, column) => {
    const { fault } = check(text)
    expect(fault).toMatchObject({ kind: 'syntax', line, column })
    expect(() => JSON.parse(text)).toThrow()
  })
  it('wants what it is told', () => {
    expect(check('[]', 'object').fault?.kind).toBe('type')
    expect(check('[]', 'container').fault).toBeUndefined()
    expect(check('"x"', 'container').fault?.kind).toBe('type')
    expect(check('null', 'object').fault?.kind).toBe('type')
    expect(check('  ').fault?.kind).toBe('empty')
  })
  it('survives what is deep', () => {
    expect(faultOffset('['.repeat(100_000))).toBeGreaterThan(0)
  })
  it('colours without losing a character', () => {
    for (const text of ['{"a": [1, "x\\"y", true, null]}', '{"open', 'anything <b>&', '{"a":1}\n\n // no', '-', 'trué', '😀{"k":"😀"}']) {
      expect(tokens(text).map((t) => t.text).join('')).toBe(text)
    }
    expect(tokens('{"a":"b"}').map((t) => t.kind)).toEqual(['mark', 'key', 'mark', 'string', 'mark'])
  })
  it('indents, and leaves alone what is no JSON', () => {
    expect(pretty('{"a":1}')).toBe('{\n  "a": 1\n}')
    expect(pretty('{a')).toBe('{a')
    expect(place('a\nbc', 3)).toEqual({ line: 2, column: 2 })
  })
})

describe('names', () => {
  it('are checked', () => {
    expect(nameFault('a_.\\-$#/Z9', 100)).toBe('')
    expect(nameFault('', 100)).toBe('empty')
    expect(nameFault('a b', 100)).toBe('characters')
    expect(nameFault('é', 100)).toBe('characters')
    expect(nameFault('x'.repeat(101), 100)).toBe('long')
    expect(withSlash('demo')).toBe('/demo')
    expect(withSlash('/demo')).toBe('/demo')
    expect(splitNames(' a, b，c\na ')).toEqual(['a', 'b', 'c'])
    expect(nameFault(randomName('sim-'), 100)).toBe('')
  })
})

describe('namespace form', () => {
  const record = {
    key: '/demo', name: 'Demo', connect_callback: null, disconnect_callback: 'http://x/', auth_passwd: MASK, callback_auth: null, update_date: '1', offline: 'off' as const,
    client_push: 'on' as const, join_foreign_user_room: '' as const, apns_list: [{ name: 'default', apns_env: 'production', token_key: MASK, apns_topic: 'com.x' }],
  }
  it('sends nothing when nothing has changed', () => expect(patch(toForm(record), toForm(record))).toEqual({}))
  it('sends what has changed, and never a mask', () => {
    const form = toForm(record)
    form.name = 'New'
    form.disconnect_callback = ''
    form.apns[0].apns_topic = 'com.y'
    expect(patch(toForm(record), form)).toEqual({ name: 'New', disconnect_callback: '', apns_list: [{ name: 'default', apns_topic: 'com.y' }] })
  })
  it('adds and removes profiles', () => {
    const form = toForm(record)
    form.apns[0].del = true
    form.apns.push({ ...emptyProfile('second'), token_key: 'PEM' }, { ...emptyProfile('gone'), del: true })
    expect(patch(toForm(record), form).apns_list).toEqual([{ name: 'default', del: true }, { name: 'second', apns_env: 'dev', token_key: 'PEM' }])
  })
  it('sends what was typed for a new one', () => {
    const form = toForm()
    form.name = 'Shop'
    form.auth_passwd = 'secret'
    expect(patch(toForm(), form)).toEqual({ name: 'Shop', auth_passwd: 'secret' })
  })
})

describe('templates', () => {
  const one = (name: string): Template => ({ name, target: 'room', room: 'r', pushData: '{}', leaveMessage: true, apnsName: '', expire: '', lost: false, except: '' })
  it('are kept per namespace and replaced by name', () => {
    localStorage.clear()
    save('/a', one('x'))
    save('/a', one('y'))
    save('/a', { ...one('x'), room: 'changed' })
    expect(load('/a').map((t) => [t.name, t.room])).toEqual([['x', 'changed'], ['y', 'r']])
    expect(load('/b')).toEqual([])
    remove('/a', 'x')
    expect(load('/a').map((t) => t.name)).toEqual(['y'])
  })
  it('survive what others have left in the storage', () => {
    for (const text of ['{', '5', 'null', '[1,null,{"name":"x"}]']) {
      localStorage.setItem('lightpush.templates./a', text)
      expect(load('/a')).toEqual([])
    }
    const full = { getItem: () => '[]', setItem: () => { throw new Error('quota') } } as unknown as Storage
    expect(save('/a', one('x'), full)).toBe(false)
  })
  it('are bounded', () => {
    localStorage.clear()
    for (let i = 0; i < 130; i++) save('/a', one('t' + i))
    expect(load('/a').length).toBe(100)
  })
})
