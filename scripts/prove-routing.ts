/**
 * Proves the routing by simulation: ours against every simpler rule, on the reference workload at three loads, two sets of
 * targets and four conditions (right or wrong benchmarks, steady or drifting board). Writes the result to
 * bench-results/routing as JSON, Markdown and SVG; ends with 1 when a bar is missed, after printing what each term of the
 * decision is worth there.
 *
 *   npx tsx scripts/prove-routing.ts [--seeds 12] [--out bench-results/routing/DATE-simulation]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { intervalPlot } from '../src/plot/interval-plot.ts';
import { boardPolicy, SLO_SETS, type SloSet, withSlo } from '../src/simulate/board-policy.ts';
import { CLAIRVOYANT, compareRules, type RuleResult } from '../src/simulate/compare-rules.ts';
import type { Climate } from '../src/simulate/heat.ts';
import { chooseRules } from '../src/simulate/rules/list.ts';
import { ablations } from '../src/simulate/rules/ours.ts';
import { referenceWorkload } from '../src/simulate/workload-file.ts';

const LOADS = [0.4, 1, 1.6];
const CONDITIONS: readonly Condition[] = [
  { name: 'right benchmarks', climate: 'steady', wrongBench: false },
  { name: 'wrong benchmarks', climate: 'steady', wrongBench: true },
  { name: 'drift', climate: 'drift', wrongBench: false },
  { name: 'wrong benchmarks and drift', climate: 'drift', wrongBench: true },
];
/** The bars: most QG that may be lost against the clairvoyant at load 1, and how far coverage may be from what is promised. */
const REGRET_MAX = 0.045;
const COVERAGE_OFF_MAX = 0.03;

type Condition = { readonly name: string; readonly climate: Climate; readonly wrongBench: boolean };
type Cell = Condition & { readonly load: number; readonly slo: SloSet; readonly results: readonly RuleResult[] };
type Miss = { readonly cell: Cell; readonly text: string };

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '12' }, out: { type: 'string' } } });
const seeds = Number(values.seeds);
if (!Number.isInteger(seeds) || seeds < 2)
  throw new Error(`--seeds must be a whole number of at least 2: ${values.seeds}`);
const today = new Date(systemClock.nowMs()).toISOString().slice(0, 10);
const out = values.out ?? `bench-results/routing/${today}-simulation`;

const plan = referenceWorkload();
const beganMs = systemClock.monotonicMs();

async function simulateCell(condition: Condition, load: number, slo: SloSet): Promise<Cell> {
  const policy = withSlo(boardPolicy(), slo);
  const rules = chooseRules([], policy, plan);
  const { climate, wrongBench } = condition;
  const results = await compareRules({ policy, plan, load, seeds, climate, wrongBench, rules });
  return { ...condition, load, slo, results };
}

/** What each term is worth in a cell: ours without it, on the same days. */
async function decompose({ load, slo, climate, wrongBench }: Cell): Promise<readonly RuleResult[]> {
  const policy = withSlo(boardPolicy(), slo);
  const rules = [...chooseRules(['ours'], policy, plan), ...ablations];
  return compareRules({ policy, plan, load, seeds, climate, wrongBench, rules });
}

function missesOf(cell: Cell): Miss[] {
  const misses: Miss[] = [];
  const ours = oursOf(cell);
  for (const { policy, against } of cell.results) {
    if (policy === 'ours' || policy === CLAIRVOYANT || (against !== undefined && against.high < 0)) continue;
    misses.push({
      cell,
      text: `does not beat ${policy}: ${signed(against?.mean)} [${signed(against?.low)}, ${signed(against?.high)}]`,
    });
  }
  if (cell.load === 1 && (ours.regret ?? 1) > REGRET_MAX) {
    misses.push({ cell, text: `regret ${ours.regret?.toFixed(4)} > ${REGRET_MAX}` });
  }
  const off = Math.abs((ours.coverage ?? 0) - (ours.nominal ?? 1));
  if (off > COVERAGE_OFF_MAX)
    misses.push({ cell, text: `coverage ${ours.coverage?.toFixed(3)}, promised ${ours.nominal}` });
  return misses;
}

function oursOf({ results }: Pick<Cell, 'results'>): RuleResult {
  const found = results.find(({ policy }) => policy === 'ours');
  if (found === undefined) throw new Error('the comparison is without ours');
  return found;
}

/** The rule that comes nearest to ours, the clairvoyant apart. */
const nearest = ({ results }: Cell): RuleResult | undefined =>
  results.filter(({ policy }) => policy !== 'ours' && policy !== CLAIRVOYANT).toSorted((a, b) => b.qg - a.qg)[0];

const signed = (value: number | undefined): string =>
  value === undefined ? '-' : `${value >= 0 ? '+' : ''}${value.toFixed(4)}`;
const titleOf = ({ name, load, slo }: Cell): string => `load ${load}, ${slo} targets, ${name}`;

function cellRow(cell: Cell): string {
  const ours = oursOf(cell);
  const rival = nearest(cell);
  const against = rival?.against;
  const perClass = ['route', 'interactive', 'quality'] as const;
  const covered = perClass.map((name) => ours.coverageByClass[name]?.toFixed(3)).join(' / ');
  const slo = perClass.map((name) => ours.slo[name]?.toFixed(3)).join(' / ');
  return `| ${cell.name} | ${cell.slo} | ${cell.load} | ${ours.qg.toFixed(3)} | ${slo} | ${rival?.policy} | ${signed(against?.mean)} [${signed(against?.low)}, ${signed(against?.high)}] | ${ours.regret?.toFixed(4)} | ${ours.coverage?.toFixed(3)} (${covered}) |`;
}

function ruleRow({ policy, qg, against, slo, batchQuality, swaps }: RuleResult): string {
  const share = (value: number | undefined) => value?.toFixed(3) ?? '-';
  const interval =
    against === undefined ? '-' : `${signed(against.mean)} [${signed(against.low)}, ${signed(against.high)}]`;
  return `| ${policy} | ${qg.toFixed(3)} | ${interval} | ${share(slo.route)} / ${share(slo.interactive)} / ${share(slo.quality)} | ${share(batchQuality)} | ${swaps.toFixed(0)} |`;
}

const RULES_HEAD = [
  '| rule | QG | against ours [95 %] | SLO route / interactive / quality | batch quality | swaps |',
  '|---|---|---|---|---|---|',
];

function report(cells: readonly Cell[], misses: readonly Miss[], terms: readonly Decomposition[]): string {
  const lines = [
    '# Routing against simpler rules, by simulation',
    '',
    `${today}, ${seeds} days per cell, written by \`scripts/prove-routing.ts\`. Simulated under the assumptions of docs/simulation.md;`,
    'no board was measured. QG: mean over online requests of quality where all targets were met. A negative difference: the rule is worse than ours.',
    '',
    misses.length === 0 ? 'All bars hold.' : `${misses.length} bars are missed:`,
    ...misses.map(({ cell, text }) => `- ${titleOf(cell)}: ${text}`),
    '',
    `Bars: QG above every rule but the clairvoyant's, 95 % interval of the paired difference without zero; at load 1 at most ${REGRET_MAX} QG below the clairvoyant; coverage of the promise within ${COVERAGE_OFF_MAX} of what is promised (0.8).`,
    '',
    '| condition | targets | load | QG | SLO route / interactive / quality | nearest rule | its difference [95 %] | regret | covered (by class) |',
    '|---|---|---|---|---|---|---|---|---|',
    ...cells.map(cellRow),
  ];
  for (const cell of cells.filter(({ load }) => load === 1))
    lines.push('', `## ${titleOf(cell)}`, '', ...RULES_HEAD, ...cell.results.map(ruleRow));
  for (const { cell, results } of terms) {
    lines.push('', `## What each term is worth: ${titleOf(cell)}`, '', ...RULES_HEAD, ...results.map(ruleRow));
  }
  return `${lines.join('\n')}\n`;
}

function plot(cells: readonly Cell[]): Promise<string> {
  const shown = cells.filter(({ slo, name }) => slo === 'tight' && name === 'right benchmarks');
  const rows = shown.flatMap((cell) =>
    cell.results
      .toSorted((a, b) => b.qg - a.qg)
      .map(({ policy, qg, qgInterval: [low, high] }) => ({
        ...{ label: policy, value: qg, low, high, panel: `load ${cell.load}` },
        series: policy === 'ours' ? 'ours' : 'other rules',
      })),
  );
  const title = `Quality-weighted goodput, tight targets, ${seeds} simulated days`;
  const description = 'Quality-weighted goodput of every rule with its 95 % interval over days, one panel per load.';
  return intervalPlot(
    { title, description, standalone: true },
    { rows, axis: { title: 'quality-weighted goodput (95 % over days)' } },
  );
}

type Decomposition = { readonly cell: Cell; readonly results: readonly RuleResult[] };

const cells: Cell[] = [];
for (const condition of CONDITIONS) {
  for (const slo of SLO_SETS) {
    for (const load of LOADS) {
      const cell = await simulateCell(condition, load, slo);
      cells.push(cell);
      const rival = nearest(cell);
      const ours = oursOf(cell);
      console.error(
        `${titleOf(cell)}: ${ours.qg.toFixed(3)}, ${rival?.policy} ${signed(rival?.against?.mean)}, regret ${ours.regret?.toFixed(4)}, covered ${ours.coverage?.toFixed(3)}`,
      );
    }
  }
}
const misses = cells.flatMap(missesOf);
// Always for load 1 and tight targets, right and wrong: the tables say what the terms are for. And wherever a bar is missed.
const explained = cells.filter(
  (cell) =>
    (cell.load === 1 && cell.slo === 'tight' && !cell.name.includes(' and ')) ||
    misses.some((miss) => miss.cell === cell),
);
const terms: Decomposition[] = [];
for (const cell of explained) terms.push({ cell, results: await decompose(cell) });
const tookSec = Math.round((systemClock.monotonicMs() - beganMs) / 1000);
const bars = { regretMax: REGRET_MAX, coverageOffMax: COVERAGE_OFF_MAX };
const missed = misses.map(({ cell, text }) => `${titleOf(cell)}: ${text}`);
writeFileSync(
  `${out}.json`,
  `${JSON.stringify({ date: today, seeds, tookSec, bars, missed, cells, terms }, rounded)}\n`,
);
writeFileSync(`${out}.md`, report(cells, misses, terms));
writeFileSync(`${out}.svg`, await plot(cells));
console.log(`${out}.json, .md and .svg: ${cells.length} cells, ${seeds} days each, ${tookSec} s`);
for (const text of missed) console.error(`missed: ${text}`);
if (missed.length > 0) process.exitCode = 1;

function rounded(_: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toFixed(5)) : value;
}
