// Instruments in Prometheus' data model: families of series with labels, and their text format. A library did this first;
// looking up the series of a dozen instruments by label objects took it a tenth of what a request costs the gateway, so
// here whoever counts holds the series and adds to it.

/** Name, meaning and label names of a family. */
export type FamilySpec = {
  readonly name: string;
  /** One line, for people. */
  readonly help: string;
  readonly labels?: readonly string[];
};

/** One number. */
export type NumberSeries = {
  /** Values of the family's labels, in their order; an empty one counts as absent. */
  readonly labels: readonly string[];
  value: number;
};

/** How values are spread over buckets. */
export interface HistogramSeries {
  readonly labels: readonly string[];
  /** Values in each bucket, one more than there are bounds: the last is for what lies above them all. */
  readonly counts: readonly number[];
  readonly sum: number;
  observe(value: number): void;
}

/** All series of one name. */
export interface Family<Series> {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  /**
   * The series with these label values, one for each label name; made where there is none. Keep it where it is hot. A
   * family has at most {@link SERIES_MAX}: what comes after them is counted together, in one whose labels all say
   * {@link OVERFLOW}; a gauge, where a sum would say nothing, is left out.
   */
  of(...labels: readonly string[]): Series;
  /** Drops every series, for families that are told anew at each reading. */
  clear(): void;
  all(): Iterable<Series>;
}

/** A counter or gauge. */
export type NumberFamily = Family<NumberSeries> & { readonly kind: 'counter' | 'gauge' };
/** A histogram with the upper bounds of its buckets, ascending, without infinity. */
export type HistogramFamily = Family<HistogramSeries> & {
  readonly kind: 'histogram';
  readonly bounds: readonly number[];
};

/** Series of one family at most; a policy with thousands of clients, or years of edits to it, must not fill a monitor. */
export const SERIES_MAX = 5_000;
/** Value of every label of what is counted together. */
export const OVERFLOW = 'other';

/** A set of families. */
export interface Registry {
  counter(spec: FamilySpec): NumberFamily;
  gauge(spec: FamilySpec): NumberFamily;
  histogram(spec: FamilySpec & { readonly bounds: readonly number[] }): HistogramFamily;
  families(): readonly (NumberFamily | HistogramFamily)[];
}

/** Makes an empty set. */
export function createRegistry(): Registry {
  const families: (NumberFamily | HistogramFamily)[] = [];
  const add = <One extends NumberFamily | HistogramFamily>(family: One): One => {
    families.push(family);
    return family;
  };
  return {
    counter: (spec) => add({ kind: 'counter', ...createFamily(spec, numberSeries) }),
    gauge: (spec) => add({ kind: 'gauge', ...createFamily(spec, numberSeries, { dropsOverflow: true }) }),
    histogram: (spec) =>
      add({
        kind: 'histogram',
        bounds: spec.bounds,
        ...createFamily(spec, (labels) => new Buckets(labels, spec.bounds)),
      }),
    families: () => families,
  };
}

function createFamily<Series>(
  { name, help, labels = [] }: FamilySpec,
  make: (labels: readonly string[]) => Series,
  { dropsOverflow }: { readonly dropsOverflow: boolean } = { dropsOverflow: false },
): Family<Series> {
  const series = new Map<string, Series>();
  const overflow = labels.map(() => OVERFLOW);
  const overflowKey = overflow.join('\u0000');
  return {
    name,
    help,
    labels,
    of: (...values) => {
      const key = values.join('\u0000');
      const known = series.get(key);
      if (known !== undefined) return known;
      const isOver = series.size >= SERIES_MAX;
      const gathered = isOver && !dropsOverflow ? series.get(overflowKey) : undefined;
      if (gathered !== undefined) return gathered;
      const made = make(isOver ? overflow : values);
      if (!isOver || !dropsOverflow) series.set(isOver ? overflowKey : key, made);
      return made;
    },
    clear: () => series.clear(),
    all: () => series.values(),
  };
}

const numberSeries = (labels: readonly string[]): NumberSeries => ({ labels, value: 0 });

class Buckets implements HistogramSeries {
  readonly labels: readonly string[];
  readonly counts: number[];
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(labels: readonly string[], bounds: readonly number[]) {
    this.labels = labels;
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let bucket = 0;
    while (bucket < this.#bounds.length && value > (this.#bounds[bucket] ?? 0)) bucket += 1;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
  }
}

/** Content type of {@link prometheusText}. */
export const PROMETHEUS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families in Prometheus' text exposition format 0.0.4; those without a series are left out. */
export function prometheusText(registry: Registry): string {
  const lines: string[] = [];
  for (const family of registry.families()) {
    const from = lines.length;
    if (family.kind === 'histogram') addHistogram(lines, family);
    else {
      for (const { labels, value } of family.all())
        lines.push(`${family.name}${braced(labelText(family, labels))} ${numberText(value)}`);
    }
    if (lines.length === from) continue;
    const help = family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
    lines.splice(from, 0, `# HELP ${family.name} ${help}`, `# TYPE ${family.name} ${family.kind}`);
  }
  return `${lines.join('\n')}\n`;
}

function addHistogram(lines: string[], { name, bounds, ...family }: HistogramFamily): void {
  for (const series of family.all()) {
    const labels = labelText(family, series.labels);
    const before = labels === '' ? '' : `${labels},`;
    let upTo = 0;
    for (const [bucket, count] of series.counts.entries()) {
      upTo += count;
      const bound = bounds[bucket];
      lines.push(`${name}_bucket{${before}le="${bound === undefined ? '+Inf' : bound}"} ${upTo}`);
    }
    lines.push(`${name}_sum${braced(labels)} ${numberText(series.sum)}`, `${name}_count${braced(labels)} ${upTo}`);
  }
}

const braced = (labels: string): string => (labels === '' ? '' : `{${labels}}`);

function labelText({ labels: names }: Pick<Family<unknown>, 'labels'>, values: readonly string[]): string {
  const parts: string[] = [];
  for (const [at, name] of names.entries()) {
    const value = values[at] ?? '';
    if (value !== '') parts.push(`${name}="${escaped(value)}"`);
  }
  return parts.join(',');
}

const escaped = (value: string): string =>
  /["\\\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
