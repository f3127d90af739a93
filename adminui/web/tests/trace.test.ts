import { describe, expect, it } from 'vitest'
import { after, lanes, position, ticks } from '../src/lib/trace'
import en from '../src/i18n/en'

describe('trace', () => {
  it('gives milliseconds and days room on one axis', () => {
    const day = 24 * 3600_000
    expect(position(0, day)).toBe(0)
    expect(position(day, day)).toBe(1)
    expect(position(5, day)).toBeGreaterThan(0.09)
    expect(position(-3, day)).toBe(0)
    expect(position(2 * day, day)).toBe(1)
    expect(position(5, 0)).toBe(0)
  })

  it('names places that do not stand on each other', () => {
    for (const whole of [1, 50, 3000, 24 * 3600_000, 365 * 24 * 3600_000]) {
      const marks = ticks(whole)
      expect(marks[0]).toEqual({ x: 0, label: '0' })
      for (let i = 1; i < marks.length; i++) expect(marks[i].x - marks[i - 1].x).toBeGreaterThanOrEqual(0.085)
      expect(marks.at(-1)!.x).toBeLessThan(1)
    }
    expect(ticks(24 * 3600_000).map((m) => m.label)).toContain('1 s')
    expect(ticks(7 * 24 * 3600_000).map((m) => m.label)).toContain('1 h')
  })

  it('sorts events into lanes, and joins the ends of a span by node', () => {
    const found = lanes(
      [
        { at: 1000, event: 'accepted' },
        { at: 1001, event: 'stored' },
        { at: 1003, event: 'written', node: 'a' },
        { at: 1004, event: 'written', node: 'b' },
        { at: 1005, event: 'acked', clientId: '/demo#x#web-1' },
        { at: 1009, event: 'written_last', node: 'a', count: 9 },
        { at: 1020, event: 'ack_first' },
        { at: 1100, event: 'ack_last', count: 3 },
        { at: 2000, event: 'expires' },
        { at: 2000, event: 'something new' },
      ],
      1000,
      2000,
    )
    expect(found.map((l) => [l.lane, l.marks.length])).toEqual([['server', 2], ['written', 3], ['acks', 2], ['device', 1]])
    const written = found[1].marks
    expect(written[2].from).toBe(written[0].x)
    expect(written[1].from).toBeUndefined()
    expect(found[2].marks[1].from).toBe(found[2].marks[0].x)
  })

  it('tells how long after', () => {
    expect(after(1012, 1000)).toBe('+12 ms')
    expect(after(990, 1000)).toBe('+0 ms')
    expect(after(0, 1000)).toBe('–')
  })

  it('has words for every rule and every step', () => {
    const rules = ['except', 'acked', 'inbox_acked', 'inbox', 'inbox_live', 'apns', 'apns_failed', 'no_token', 'muted', 'optout', 'live', 'waiting', 'away', 'expired', 'unacked', 'not_kept', 'lost', 'platform', 'late']
    expect(Object.keys(en.trace.rule).sort()).toEqual(rules.sort())
    for (const step of ['written', 'inbox', 'live', 'pending', 'apns', 'apns_failed', 'no_token', 'muted', 'optout', 'acked', 'delivered']) expect(en.trace.event).toHaveProperty(step)
  })
})
