import { describeObjective } from '../bench/tune/objective.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { TuneRun, TuneTrialRecord } from '../store/tune-table.ts';
import { formatTable } from './format-table.ts';

/** The table of a run: its trials, best first, and what came of it. */
export function tuneTable(run: TuneRun): string {
  const { objective, trials, machine, memoryBytesMax } = run;
  const rows = trials.toSorted((a, b) => rank(a) - rank(b) || cost(a) - cost(b));
  const columns = COLUMNS.filter(({ keys }) =>
    keys.some((key) => trials.some(({ settings }) => settings[key] !== undefined)),
  );
  const header = [
    ...columns.map(({ title }) => title),
    'prompt t/s',
    'decode t/s',
    'wall s',
    titleOf(run),
    'memory',
    'n',
    'status',
  ];
  const reasons = rows.flatMap(({ label, reason }) => (reason === undefined ? [] : [`  ${label}: ${reason}`]));
  const disturbed = trials.reduce((sum, trial) => sum + trial.disturbed, 0);
  const samples = trials.reduce((sum, { n }) => sum + n, 0);
  const moved = `${disturbed} of ${samples} samples were disturbed by other programs or a moving clock`;
  const notes = [...(disturbed === 0 ? [] : [moved]), ...(run.warnings ?? [])];
  return [
    `${run.model} on ${machine.model ?? machine.kind}${machine.cpus === undefined ? '' : `, CPUs ${machine.cpus}`}: ${describeObjective(objective)} (run ${run.id})`,
    ...(memoryBytesMax === undefined ? [] : [`memory at most ${formatBytes(memoryBytesMax)}`]),
    '',
    ...formatTable(
      header,
      rows.map((trial) => [...columns.map((column) => column.cell(trial.settings)), ...figureCells(run, trial)]),
    ),
    ...(reasons.length === 0 ? [] : ['', 'why not:', ...reasons]),
    ...(run.caches.length === 0 ? [] : ['', 'quality with a quantized KV cache:', ...run.caches.map(cacheLine)]),
    ...(notes.length === 0 ? [] : ['', ...notes]),
    '',
    run.conclusion,
  ].join('\n');
}

const cacheLine = ({ cache, passed, text: why }: TuneRun['caches'][number]): string =>
  `  kv ${cache}: ${passed ? 'good' : 'refused'}: ${why}`;

const ORDER: readonly TuneTrialRecord['status'][] = ['winner', 'kept', 'open', 'eliminated', 'infeasible'];
const rank = ({ status }: TuneTrialRecord): number => ORDER.indexOf(status);
const cost = ({ figures }: TuneTrialRecord): number => figures.objectiveMs ?? Number.POSITIVE_INFINITY;

type Settings = TuneTrialRecord['settings'];
type Column = {
  readonly title: string;
  readonly keys: readonly string[];
  readonly cell: (settings: Settings) => string;
};

const text = (settings: Settings, key: string): string => (settings[key] === undefined ? '-' : String(settings[key]));
const pair = (settings: Settings, first: string, second: string): string =>
  settings[first] === settings[second] ? text(settings, first) : `${text(settings, first)}/${text(settings, second)}`;
const mask = (value: Settings[string] | undefined): string =>
  typeof value === 'number' ? `0x${value.toString(16)}` : '-';

/** In the order of the reference board's sweep: threads, affinity, flash attention; then the others. */
const COLUMNS: readonly Column[] = [
  { title: 'threads', keys: ['threads'], cell: (settings) => text(settings, 'threads') },
  {
    title: 'affinity',
    keys: ['cpus', 'threads'],
    cell: (settings) => (settings['cpus'] === undefined ? 'all' : text(settings, 'cpus')),
  },
  { title: 'CPU mask', keys: ['cpu_mask'], cell: (settings) => mask(settings['cpu_mask']) },
  { title: 'flash attention', keys: ['flash_attention'], cell: (settings) => text(settings, 'flash_attention') },
  { title: 'kv', keys: ['cache_type_k'], cell: (settings) => pair(settings, 'cache_type_k', 'cache_type_v') },
  { title: 'batch', keys: ['batch'], cell: (settings) => pair(settings, 'batch', 'ubatch') },
  { title: 'load', keys: ['load_mode'], cell: (settings) => text(settings, 'load_mode') },
  {
    title: 'embed flash',
    keys: ['embed_flash'],
    cell: (settings) => (settings['embed_flash'] === true ? 'on' : 'off'),
  },
  { title: 'context', keys: ['context'], cell: (settings) => text(settings, 'context') },
];

const titleOf = ({ objective }: TuneRun): string =>
  objective.kind === 'ttft' ? 'TTFT ms' : objective.kind === 'decode' ? 'ms per token' : 'E2E ms';

function figureCells({ objective }: TuneRun, trial: TuneTrialRecord): readonly string[] {
  const { figures, interval, n, disturbed, status, round, isCurrent } = trial;
  const decimals = objective.kind === 'decode' ? 1 : 0;
  const range =
    interval === undefined ? '' : ` [${interval.low.toFixed(decimals)}, ${interval.high.toFixed(decimals)}]`;
  return [
    figures.promptTps?.toFixed(2) ?? '-',
    figures.decodeTps?.toFixed(2) ?? '-',
    figures.wallS?.toFixed(1) ?? '-',
    figures.objectiveMs === undefined ? '-' : `${figures.objectiveMs.toFixed(decimals)}${range}`,
    figures.peakRssBytes === undefined ? '-' : formatBytes(figures.peakRssBytes),
    disturbed === 0 ? String(n) : `${n} (${disturbed} disturbed)`,
    `${status}${round === undefined ? '' : ` in round ${round}`}${isCurrent ? ', in force' : ''}`,
  ];
}

/** One line per run, newest first. */
export function tuneList(runs: readonly TuneRun[]): string {
  if (runs.length === 0) return 'no tuning runs yet';
  const rows = runs.map(({ id, model, objective, trials, finishedAt, startedAt, conclusion }) => [
    id,
    model,
    objective.text,
    String(trials.length),
    finishedAt === undefined ? 'open' : formatDurationMs(Date.parse(finishedAt) - Date.parse(startedAt)),
    conclusion,
  ]);
  return formatTable(['run', 'model', 'objective', 'settings tried', 'took', 'conclusion'], rows).join('\n');
}
