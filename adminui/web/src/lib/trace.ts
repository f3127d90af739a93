// The way of a message as a picture: which lane an event stands in, and where on an axis that shows milliseconds and hours at once.
import type { TraceEvent } from '../api/types'
import { duration } from './format'

export const LANES = ['server', 'written', 'acks', 'queue', 'provider', 'device'] as const
export type Lane = (typeof LANES)[number]

const LANE_OF: Record<string, Lane> = {
  accepted: 'server', stored: 'server', routed: 'server', written: 'written', written_last: 'written', ack_first: 'acks', ack_last: 'acks',
  queued: 'queue', decided: 'queue', dead: 'queue', provider_first: 'provider', provider_last: 'provider',
}

/** Events that are the end of a span, and what begins it. */
const ENDS: Record<string, string> = { written_last: 'written', ack_last: 'ack_first', provider_last: 'provider_first' }

export interface Mark {
  event: TraceEvent
  /** Where it stands, 0 to 1. */
  x: number
  /** Width of a span that ends at x; 0: a point. */
  from?: number
}

/** A moment on the axis, 0 to 1: logarithmic, so that 2 ms and 2 days both have room. */
export function position(ms: number, whole: number): number {
  if (whole <= 0) return 0
  return Math.min(1, Math.log10(1 + Math.max(0, ms)) / Math.log10(1 + whole))
}

const STEPS = [1, 10, 100, 1000, 10_000, 60_000, 600_000, 3600_000, 6 * 3600_000, 24 * 3600_000, 7 * 24 * 3600_000, 30 * 24 * 3600_000]

/** Places on the axis that are named, not closer to each other than apart (a share of the axis). */
export function ticks(whole: number, apart = 0.085): { x: number; label: string }[] {
  const out: { x: number; label: string }[] = [{ x: 0, label: '0' }]
  for (const ms of STEPS) {
    const x = position(ms, whole)
    if (ms >= whole || x > 0.97) break
    if (x - out[out.length - 1].x >= apart) out.push({ x, label: duration(ms) })
  }
  return out
}

/** Lanes that hold anything, in the order things happen. Events before begin stand at 0: clocks of machines differ a little. */
export function lanes(timeline: TraceEvent[], begin: number, end: number): { lane: Lane; marks: Mark[] }[] {
  const whole = end - begin
  const found = new Map<Lane, Mark[]>()
  const open = new Map<string, Mark>()
  for (const event of timeline) {
    const lane = event.clientId ? 'device' : LANE_OF[event.event]
    if (!lane) continue
    const x = position(event.at - begin, whole)
    const mark: Mark = { event, x }
    const begun = ENDS[event.event]
    const first = begun && open.get(begun + '|' + (event.node ?? ''))
    if (first) mark.from = first.x
    open.set(event.event + '|' + (event.node ?? ''), mark)
    found.set(lane, [...(found.get(lane) ?? []), mark])
  }
  return LANES.filter((lane) => found.has(lane)).map((lane) => ({ lane, marks: found.get(lane)! }))
}

/** How long after the message was accepted; clocks may differ, so never below 0. */
export function after(at: number, begin: number): string {
  return at ? '+' + duration(Math.max(0, at - begin)) : '–'
}
