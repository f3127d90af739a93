import { describe, expect, it } from 'vitest'
import { ALL_LIMITS, fallback, limitFault, limitsForm, limitsPatch, type Limits, type LimitsAnswer } from '../src/lib/limits'
import { patch, toForm } from '../src/lib/namespaceForm'
import { revokeBody, revokeFaults, revokeTarget } from '../src/lib/revoke'
import type { Namespace } from '../src/api/types'

const limits = (some: Partial<Limits> = {}) => ({ ...Object.fromEntries(ALL_LIMITS.map((n) => [n, 0])), ...some }) as Limits
const told: LimitsAnswer = {
  configured: limits({ max_connections: 1000, default_expire: 24, max_expire: 720, history_max: 5000 }),
  ceiling: limits({ max_connections: 500, default_expire: 720, max_expire: 720, history_max: 5000 }),
  inForce: limits(),
}

describe('limits', () => {
  it('shows 0 and absent as an empty field', () => {
    const form = limitsForm({ max_connections: 100, inbox_max: 0 })
    expect(form.max_connections).toBe('100')
    expect(form.inbox_max).toBe('')
    expect(form.client_expire).toBe('')
  })

  it('saves what was changed, and empty as 0', () => {
    const before = limitsForm({ max_connections: 100, max_expire: 48 })
    expect(limitsPatch(before, { ...before })).toEqual({})
    expect(limitsPatch(before, { ...before, max_connections: ' 100 ' })).toEqual({})
    expect(limitsPatch(before, { ...before, max_connections: '', inbox_max: '7' })).toEqual({ max_connections: 0, inbox_max: 7 })
  })

  it('is part of the namespace form', () => {
    const record = { key: '/a', name: 'A', max_push_bytes: 1024 } as Namespace
    const form = toForm(record)
    expect(patch(toForm(record), form)).toEqual({})
    form.limits.max_push_bytes = '2048'
    expect(patch(toForm(record), form)).toEqual({ max_push_bytes: 2048 })
  })

  it.each([
    ['max_connections', '1.5', 'number'],
    ['max_connections', '-1', 'number'],
    ['max_connections', '1e3', 'number'],
    ['max_connections', 'many', 'number'],
    ['max_connections', '1000000001', 'number'],
    ['max_connections', '501', 'ceiling'],
    ['max_connections', '500', undefined],
    ['max_connections', '0', undefined],
    ['max_connections', '', undefined],
    ['max_rooms_per_client', '99999', undefined],
    ['history_max', '5001', 'configured'],
    ['default_expire', '721', 'order'],
    ['default_expire', '720', undefined],
  ] as const)('%s may be %s: %s', (name, text, kind) => {
    const before = limitsForm()
    expect(limitFault(name, before, { ...before, [name]: text }, told, false)?.kind).toBe(kind)
  })

  it('lets an administrator raise, and refuses nothing that was there before', () => {
    const before = limitsForm({ max_connections: 900 })
    expect(limitFault('max_connections', before, { ...before, max_connections: '999' }, told, true)).toBeUndefined()
    expect(limitFault('max_connections', before, before, told, false)).toBeUndefined()
    expect(limitFault('history_max', before, { ...before, history_max: '5001' }, told, true)?.kind).toBe('configured')
    expect(limitFault('default_expire', before, { ...before, max_expire: '10', default_expire: '11' }, told, true)).toEqual({ kind: 'order', n: 10 })
  })

  it('knows what an empty field means', () => {
    expect(fallback('max_connections', undefined, true)).toBeUndefined()
    expect(fallback('max_connections', told, true)).toBe(1000)
    expect(fallback('max_connections', told, false)).toBe(500)
    expect(fallback('default_expire', told, false)).toBe(24)
  })
})

describe('revocations', () => {
  const form = { kind: 'user' as const, value: ' joe ', hours: '24', reason: '' }

  it('names one of three', () => {
    expect(revokeBody(form)).toEqual({ userid: 'joe', expire: 24 })
    expect(revokeBody({ ...form, kind: 'device', hours: '0.5', reason: ' lost ' })).toEqual({ uuid: 'joe', expire: 0.5, reason: 'lost' })
    expect(revokeTarget('token', 'abc')).toEqual({ token_id: 'abc' })
  })

  it.each([['', 'hours'], ['0', 'hours'], ['-1', 'hours'], ['x', 'hours'], ['8785', 'hours'], ['0.0001', 'hours'], ['8784', ''], ['0.5', '']])('lasts %s hours: %s', (hours, fault) =>
    expect(revokeFaults({ ...form, hours }).hours).toBe(fault),
  )

  it('wants somebody, and a short reason', () => {
    expect(revokeFaults({ ...form, value: '  ' }).value).toBe('empty')
    expect(revokeFaults({ ...form, reason: '字'.repeat(67) }).reason).toBe('long')
    expect(revokeFaults(form)).toEqual({ value: '', hours: '', reason: '' })
  })
})
