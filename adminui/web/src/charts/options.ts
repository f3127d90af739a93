// Pictures as ECharts options. Tooltips are drawn on the canvas ("richText"): no HTML is made from data.
import { clock, short } from '../lib/format'

export interface Colours {
  text: string
  faint: string
  line: string
  surface: string
  series: string[]
  web: string
  ios: string
  android: string
}

export function colours(dark: boolean): Colours {
  return dark
    ? {
        text: '#cdd3df', faint: '#9aa4b7', line: '#2a3142', surface: '#1d2331',
        series: ['#7c93f5', '#38c6b4', '#e8a750', '#e97fa6', '#9aa4b7', '#b591f0'],
        web: '#7c93f5', ios: '#d67fea', android: '#5cc979',
      }
    : {
        text: '#333d50', faint: '#5d6677', line: '#e4e7ee', surface: '#ffffff',
        series: ['#3b5bdb', '#0f9d8a', '#d9820b', '#d6336c', '#5d6677', '#7048c8'],
        web: '#3b5bdb', ios: '#9c36b5', android: '#2b8a3e',
      }
}

export interface Line {
  name: string
  values: (number | null)[]
  color?: string
  fill?: boolean
  dashed?: boolean
}

const tooltip = (c: Colours) => ({
  renderMode: 'richText' as const,
  confine: true,
  backgroundColor: c.surface,
  borderColor: c.line,
  textStyle: { color: c.text, fontSize: 12 },
})

const FONT = 'Inter, "Segoe UI", system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif'

/** times: ms of every point. */
export function lines(times: number[], list: Line[], c: Colours, locale: string, percent = false) {
  const span = times.length > 1 ? times[times.length - 1] - times[0] : 0
  const label = (v: number) => {
    const d = new Date(v)
    if (span <= 15 * 60_000) return clock(v)
    const hm = clock(v).slice(0, 5)
    return span > 20 * 3600_000 && hm === '00:00' ? `${d.getMonth() + 1}/${d.getDate()}` : hm
  }
  const text = (v: unknown) => (v === null || v === undefined ? '–' : percent ? Math.round(Number(v)) + '%' : short(v, locale))
  return {
    animation: false,
    textStyle: { fontFamily: FONT },
    color: c.series,
    aria: { enabled: true },
    grid: { left: 8, right: 14, top: 36, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: c.text, fontSize: 12 } },
    tooltip: { ...tooltip(c), trigger: 'axis', valueFormatter: text, axisPointer: { label: { show: false }, lineStyle: { color: c.faint } } },
    xAxis: {
      type: 'time',
      min: times[0],
      max: times[times.length - 1],
      axisLine: { lineStyle: { color: c.line } },
      axisTick: { show: false },
      splitLine: { show: false },
      axisLabel: { color: c.faint, fontSize: 11, hideOverlap: true, formatter: label },
    },
    yAxis: {
      type: 'value',
      min: 0,
      max: percent ? 100 : undefined,
      minInterval: percent ? undefined : 1,
      splitNumber: 4,
      interval: percent ? 25 : undefined,
      axisLabel: { color: c.faint, fontSize: 11, formatter: text },
      splitLine: { lineStyle: { color: c.line } },
    },
    series: list.map((line, i) => ({
      type: 'line',
      name: line.name,
      data: line.values.map((v, k) => [times[k], v]),
      // A point between two gaps makes no line.
      showSymbol: line.values.filter((v) => v !== null).length < 3,
      symbolSize: 6,
      connectNulls: false,
      sampling: 'lttb',
      color: line.color ?? c.series[i % c.series.length],
      lineStyle: { width: 2, type: line.dashed ? 'dashed' : 'solid' },
      areaStyle: line.fill ? { opacity: 0.1 } : undefined,
      emphasis: { disabled: true },
    })),
  }
}

export interface Slice {
  name: string
  value: number
  color: string
}

/** inner: total by platform; outer ring: how many of them are online. */
export function donut(outer: Slice[], middle: string, c: Colours, locale: string) {
  const sum = outer.reduce((n, s) => n + s.value, 0)
  return {
    animation: false,
    textStyle: { fontFamily: FONT },
    aria: { enabled: true },
    tooltip: {
      ...tooltip(c),
      trigger: 'item',
      formatter: (p: { name: string; value: number; percent: number }) => (sum ? `${p.name}: ${short(p.value, locale)} (${p.percent}%)` : p.name),
    },
    series: [
      {
        type: 'pie',
        radius: ['62%', '88%'],
        silent: !sum,
        label: {
          show: true,
          position: 'center',
          formatter: `{a|${short(sum, locale)}}\n{b|${middle.replace(/[{}|]/g, '')}}`,
          rich: {
            a: { fontSize: 24, fontWeight: 700, color: c.text, lineHeight: 30 },
            b: { fontSize: 12, color: c.faint },
          },
        },
        labelLine: { show: false },
        emphasis: { scale: false },
        itemStyle: { borderColor: c.surface, borderWidth: 2 },
        data: sum
          ? outer.map((s) => ({ name: s.name, value: s.value, itemStyle: { color: s.color } }))
          : [{ name: middle, value: 1, itemStyle: { color: c.line } }],
      },
    ],
  }
}

/** Horizontal bars of several parts, one bar per category. */
export function bars(categories: string[], parts: { name: string; values: number[]; color: string }[], c: Colours, locale: string) {
  return {
    animation: false,
    textStyle: { fontFamily: FONT },
    aria: { enabled: true },
    grid: { left: 8, right: 18, top: 36, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, type: 'scroll', icon: 'roundRect', itemWidth: 10, itemHeight: 10, textStyle: { color: c.text, fontSize: 12 } },
    tooltip: { ...tooltip(c), trigger: 'axis', axisPointer: { type: 'shadow' }, valueFormatter: (v: unknown) => short(v, locale) },
    xAxis: {
      type: 'value',
      minInterval: 1,
      axisLabel: { color: c.faint, fontSize: 11, formatter: (v: number) => short(v, locale) },
      splitLine: { lineStyle: { color: c.line } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: categories,
      axisLine: { lineStyle: { color: c.line } },
      axisTick: { show: false },
      axisLabel: { color: c.text, fontSize: 12 },
    },
    series: parts.map((p) => ({
      type: 'bar',
      stack: 'all',
      name: p.name,
      data: p.values,
      color: p.color,
      barMaxWidth: 26,
      emphasis: { disabled: true },
    })),
  }
}
