// The picture of a run: training and validation loss over steps, as SVG and PNG.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { writeFileAtomic } from '@brickwork/runtime';
import { readMetrics, type MetricsEntry } from './metrics.ts';

/** How the picture looks. */
export interface LossCurveOptions {
  /** Above the picture; 'Loss' unless given. */
  readonly title?: string;
  /** Pixels; 960 by 540 unless given. */
  readonly width?: number;
  readonly height?: number;
}

const font = 'DejaVu Sans';
const colors = { train: '#9db8d9', smooth: '#1f5fa8', validation: '#d1495b', text: '#333333', grid: '#e6e6e6' };
// More points than pixels only make the file large.
const mostPoints = 1000;
// Up to this many, each has a dot: one alone makes no line.
const fewPoints = 100;

/** Draws the losses of a run as SVG. @throws where there are none. */
export async function lossCurve(metrics: readonly MetricsEntry[], o: LossCurveOptions = {}): Promise<string> {
  const { title = 'Loss', width = 960, height = 540 } = o;
  const train = metrics.flatMap((e): Point[] => ('loss' in e ? [[e.step, e.loss]] : []));
  const validation = metrics.flatMap((e): Point[] => ('validation' in e ? [[e.step, e.validation]] : []));
  if (!train.length && !validation.length) throw new Error('lossCurve: no losses yet; train for a step or more first');
  const best = validation.reduce((a, b) => (b[1] < a[1] ? b : a), validation[0] ?? ([0, 0] as Point));
  const caption = validation.length ? `lowest validation loss ${best[1].toFixed(4)} at step ${best[0]}` : '';

  const dots = train.length <= fewPoints;
  return draw({
    title,
    caption,
    width,
    height,
    axis: 'loss (nats per token)',
    lines: [
      { name: 'training, each step', points: train, color: colors.train, width: 1, dots },
      { name: 'training, smoothed', points: smooth(train), color: colors.smooth, width: 2, dots },
      ...(validation.length
        ? [
            {
              name: 'validation',
              points: validation,
              color: colors.validation,
              width: 2,
              dots: validation.length <= fewPoints,
              dotSize: 6,
            },
          ]
        : []),
    ],
  });
}

/** One run among several. */
export interface NamedRun {
  readonly name: string;
  readonly metrics: readonly MetricsEntry[];
}

// Colours that are told apart also by those who see few of them (Okabe and Ito, 2008).
const palette = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#444444', '#b8a800'];

/**
 * Draws the losses of several runs as one SVG: of each its validation losses, or where it has none its smoothed training
 * losses.
 *
 * @throws where a run has no losses, or there is no run.
 */
export async function compareRuns(runs: readonly NamedRun[], o: LossCurveOptions = {}): Promise<string> {
  const { title = 'Loss', width = 960, height = 540 } = o;
  if (!runs.length) throw new Error('compareRuns: no runs to draw');
  const lines = runs.map(({ name, metrics }, i): Line => {
    const validation = metrics.flatMap((e): Point[] => ('validation' in e ? [[e.step, e.validation]] : []));
    const train = metrics.flatMap((e): Point[] => ('loss' in e ? [[e.step, e.loss]] : []));
    const points = validation.length ? validation : smooth(train);
    if (!points.length) throw new Error(`compareRuns: ${name} has no losses yet; train for a step or more first`);
    return {
      name: validation.length ? name : `${name} (training)`,
      points,
      color: palette[i % palette.length]!,
      width: 2,
      dots: points.length <= fewPoints,
    };
  });
  const isMixed = lines.some((line) => line.name.endsWith(' (training)'));
  return draw({
    title,
    caption: isMixed ? '' : 'validation',
    width,
    height,
    axis: 'loss (nats per prediction)',
    lines,
  });
}

/** A step size that was tried, and the loss there. */
export interface RatePoint {
  readonly rate: number;
  readonly loss: number;
  readonly smoothed: number;
}

/** Draws the losses of step sizes as SVG, with the one that is suggested. @throws where there are none. */
export async function rateCurve(
  points: readonly RatePoint[],
  suggestion: number | null,
  o: LossCurveOptions = {},
): Promise<string> {
  const { title = 'Loss by step size', width = 960, height = 540 } = o;
  if (!points.length) throw new Error('rateCurve: no step sizes to draw');
  const smoothed = points.map(({ rate, smoothed: loss }): Point => [rate, loss]);
  const range = smoothed.map(([, loss]) => loss);
  const usual = { width: 2, dots: false };
  return draw({
    ...{ title, width, height, axis: 'loss (nats per prediction)', across: 'step size' },
    caption: suggestion === null ? 'no step size makes the loss fall' : `suggested: ${suggestion.toExponential(1)}`,
    lines: [
      { ...usual, name: 'smoothed', points: smoothed, color: colors.smooth },
      {
        ...usual,
        name: 'each step',
        points: points.map(({ rate, loss }): Point => [rate, Math.min(loss, Math.max(...range))]),
        color: colors.train,
        width: 1,
      },
      ...(suggestion === null
        ? []
        : [
            {
              ...usual,
              name: 'suggested',
              points: [
                [suggestion, Math.min(...range)],
                [suggestion, Math.max(...range)],
              ] as const,
              color: colors.validation,
            },
          ]),
    ],
  });
}

interface Line {
  readonly name: string;
  readonly points: readonly Point[];
  readonly color: string;
  readonly width: number;
  readonly dots: boolean;
  readonly dotSize?: number;
}
interface Drawing extends Required<LossCurveOptions> {
  readonly caption: string;
  /** What the vertical axis is. */
  readonly axis: string;
  /** What the horizontal axis is, where it isn't steps: by powers of ten. */
  readonly across?: string;
  readonly lines: readonly Line[];
}

async function draw({ title, caption, width, height, axis: vertical, across, lines }: Drawing): Promise<string> {
  const [echarts, { LineChart }, components, { SVGRenderer }] = await Promise.all([
    import('echarts/core'),
    import('echarts/charts'),
    import('echarts/components'),
    import('echarts/renderers'),
  ]);
  const { GridComponent, LegendComponent, TitleComponent } = components;
  echarts.use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer]);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    const axis = {
      type: 'value',
      nameLocation: 'middle',
      nameTextStyle: { color: colors.text, fontSize: 13 },
      axisLine: { show: true, lineStyle: { color: colors.text } },
      axisLabel: { color: colors.text, hideOverlap: true },
      splitLine: { lineStyle: { color: colors.grid } },
    } as const;
    chart.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      textStyle: { fontFamily: font },
      title: {
        text: title,
        subtext: caption,
        left: 'center',
        top: 12,
        textStyle: { color: colors.text, fontSize: 18 },
        subtextStyle: { color: colors.text, fontSize: 13 },
      },
      legend: {
        right: 48,
        top: 92,
        orient: 'vertical',
        icon: 'roundRect',
        itemWidth: 24,
        itemHeight: 3,
        padding: 10,
        backgroundColor: '#ffffff',
        textStyle: { color: colors.text },
      },
      grid: { left: 72, right: 32, top: 76, bottom: 60 },
      xAxis: across
        ? {
            ...axis,
            type: 'log',
            name: across,
            nameGap: 32,
            min: Math.min(...lines[0]!.points.map(([x]) => x)),
            max: Math.max(...lines[0]!.points.map(([x]) => x)),
            axisLabel: { ...axis.axisLabel, formatter: (x: number) => x.toExponential(0) },
          }
        : {
            ...axis,
            name: 'step',
            nameGap: 32,
            minInterval: 1,
            max: Math.max(1, ...lines.map(({ points }) => points.at(-1)?.[0] ?? 1)),
          },
      yAxis: { ...axis, name: vertical, nameGap: 44, scale: true },
      series: lines.map(({ name, points, color, width: thickness, dots, dotSize }) => ({
        type: 'line' as const,
        symbol: 'circle',
        animation: false,
        name,
        data: thin(points),
        showSymbol: dots,
        ...(dotSize !== undefined && { symbolSize: dotSize }),
        lineStyle: { color, width: thickness },
        itemStyle: { color },
      })),
    });
    // The library numbers ids through a whole process; the same losses shall give the same bytes.
    const ids = new Map<string, string>();
    return chart.renderToSVGString().replaceAll(/\bzr\d*-[a-z-]*\d+/g, (id) => {
      if (!ids.has(id)) ids.set(id, `id-${ids.size}`);
      return ids.get(id)!;
    });
  } finally {
    chart.dispose();
  }
}

type Point = readonly [step: number, loss: number];

// Each point becomes the mean of those around it, one in fifty of the run on either side. At the beginning, where
// losses fall fast, there are as many before as after it.
function smooth(points: readonly Point[]): Point[] {
  const most = Math.ceil(points.length / 50);
  const sums = [0];
  for (const [, loss] of points) sums.push(sums.at(-1)! + loss);
  return points.map(([step], i): Point => {
    const reach = Math.min(most, i);
    const [from, to] = [i - reach, Math.min(points.length, i + reach + 1)];
    return [step, (sums[to]! - sums[from]!) / (to - from)];
  });
}

function thin(points: readonly Point[]): readonly Point[] {
  if (points.length <= mostPoints) return points;
  const last = points.length - 1;
  return Array.from({ length: mostPoints }, (_, i) => points[Math.round((i * last) / (mostPoints - 1))]!);
}

/** Draws an SVG as PNG, at twice its size, with a font that comes along, so that it looks the same everywhere. */
export async function toPng(svg: string): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js');
  const require = createRequire(import.meta.url);
  const fontFiles = [
    require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
    require.resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf'),
  ];
  const options = {
    font: { loadSystemFonts: false, fontFiles, defaultFontFamily: font },
    fitTo: { mode: 'zoom', value: 2 },
  } as const;
  return new Resvg(svg, options).render().asPng();
}

/** Draws the metrics of a run's folder to its loss.svg and loss.png, and gives the path of the latter. */
export async function writeLossCurve(folder: string, o: LossCurveOptions = {}): Promise<string> {
  const svg = await lossCurve(await readMetrics(join(folder, 'metrics.jsonl')), o);
  const path = join(folder, 'loss.png');
  await writeFileAtomic(join(folder, 'loss.svg'), svg);
  await writeFileAtomic(path, await toPng(svg));
  return path;
}
