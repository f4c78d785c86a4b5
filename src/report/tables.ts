import { TASKS } from '../core/classes.ts';
import { formatBytes, formatDurationMs, formatShare } from '../core/format.ts';
import type { Figure } from '../core/profile.ts';
import type { MachineReport, ModelReport, Report, TuneTable } from './report.ts';

/** A table as text, independent of how it is shown. `note` stands below it. */
export type Table = {
  readonly title: string;
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
  readonly note?: string;
};

/** The tables of one machine; those without a row are left out. */
export function machineTables(machine: MachineReport, { chat }: Report): readonly Table[] {
  const { models } = machine;
  return [
    verdictTable(models, chat),
    figureTable(models, chat),
    qualityTable(models),
    perplexityTable(models),
    sustainedTable(models),
    pairTable(machine),
    ...machine.tunes.map(tuneTable),
  ]
    .filter(({ rows }) => rows.length > 0)
    .map(withoutEmptyColumns);
}

/** Columns in which no row says anything are left out. */
function withoutEmptyColumns(table: Table): Table {
  const isKept = table.header.map((_, index) => index === 0 || table.rows.some((row) => row[index] !== '-'));
  const kept = (cells: readonly string[]) => cells.filter((_, index) => isKept[index]);
  return { ...table, header: kept(table.header), rows: table.rows.map(kept) };
}

/** Models that several machines have figures of, machine by machine; without a row where there are none. */
export function sideBySideTable({ machines, chat }: Report): Table {
  const names = [...new Set(machines.flatMap(({ models }) => models.map(({ model }) => model)))];
  const rows = names.flatMap((name) => {
    const found = machines.flatMap((machine) =>
      machine.models.filter(({ model }) => model === name).map((model) => ({ machine, model })),
    );
    if (found.length < 2) return [];
    return found.map(({ machine, model }) => [
      name,
      machine.name,
      model.judgement?.verdict ?? '-',
      model.chatMs === undefined ? '-' : chatText(model),
      rate(model.profile.prefillTokensPerSec),
      rate(model.profile.decodeTokensPerSec),
      memoryText(model),
    ]);
  });
  const header = ['model', 'machine', 'verdict', chatHeader(chat), 'prefill tok/s', 'decode tok/s', 'memory'];
  return { title: 'Machines side by side', header, rows };
}

const chatHeader = (chat: Report['chat']): string => `chat ${chat.promptTokens}+${chat.outputTokens}`;

function verdictTable(models: readonly ModelReport[], chat: Report['chat']): Table {
  const hasPublished = models.some(({ published }) => published !== undefined);
  const header = ['model', 'device', 'verdict', 'because', ...(hasPublished ? ['in their words'] : []), 'figures'];
  return {
    title: 'Verdicts',
    header,
    rows: models.map((model) => [
      model.model,
      model.device,
      model.judgement?.verdict ?? '-',
      model.judgement?.why ?? 'no decode rate',
      ...(hasPublished ? [model.published ?? '-'] : []),
      trustText(model),
    ]),
    note: `The standard chat has ${chat.promptTokens} prompt and ${chat.outputTokens} output tokens; its times are worked out from the rates, on a loaded model.`,
  };
}

/** Where figures are from and what weakens them. */
export function trustText(model: ModelReport): string {
  const { decodeTokensPerSec } = model.profile;
  const { at, n = 0 } = decodeTokensPerSec ?? {};
  const parts = [
    model.simulated ? 'SIMULATED' : '',
    model.basis ?? 'none',
    n > 0 ? `n = ${n}` : '',
    at === undefined ? '' : at.slice(0, 10),
    model.provisional ? 'PROVISIONAL' : '',
    model.stale.length === 0 ? '' : `STALE: ${model.stale.join('; ')}`,
    model.quarantined === undefined ? '' : 'QUARANTINED',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function figureTable(models: readonly ModelReport[], chat: Report['chat']): Table {
  return {
    title: 'Speed, memory and loading',
    header: [
      'model',
      'prefill tok/s',
      'decode tok/s',
      `TTFT ${chat.promptTokens}`,
      chatHeader(chat),
      'memory',
      'load warm',
      'load cold',
    ],
    rows: models.map((model) => [
      model.model,
      rate(model.profile.prefillTokensPerSec),
      rate(model.profile.decodeTokensPerSec),
      duration(model.chatTtftMs),
      model.chatMs === undefined ? '-' : chatText(model),
      memoryText(model),
      duration(model.profile.loadMs?.value),
      duration(model.profile.loadColdMs?.value),
    ]),
    note: 'Brackets hold the 95 % interval of the median; a figure without one has too few samples or was published without. Percent: of what all models together may have.',
  };
}

const chatText = ({ chatMs = 0, isPrefillUnknown }: ModelReport): string =>
  `${isPrefillUnknown ? '>= ' : ''}${formatDurationMs(chatMs)}`;

const duration = (durationMs: number | undefined): string =>
  durationMs === undefined ? '-' : formatDurationMs(durationMs);

function memoryText({ profile, memoryShare }: ModelReport): string {
  const bytes = profile.peakMemoryBytes?.value;
  if (bytes === undefined) return '-';
  return `${formatBytes(bytes)}${memoryShare === undefined ? '' : ` (${formatShare(memoryShare)})`}`;
}

/** A rate with its interval: `2.48 [2.41, 2.55]`. */
export const rate = (figure: Figure | undefined): string => withInterval(figure, threeDigits);

function withInterval(figure: Figure | undefined, format: (value: number) => string): string {
  if (figure === undefined) return '-';
  const { value, low, high } = figure;
  const interval = low === undefined || high === undefined ? '' : ` [${format(low)}, ${format(high)}]`;
  return `${format(value)}${interval}`;
}

/** Three significant digits and no exponent. */
export function threeDigits(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

function qualityTable(models: readonly ModelReport[]): Table {
  const tasks = TASKS.filter((task) => models.some(({ profile }) => profile[`quality.${task}`] !== undefined));
  const measured = models.filter(
    ({ profile }) =>
      profile.degenerateAnswers !== undefined || tasks.some((task) => profile[`quality.${task}`] !== undefined),
  );
  const share = (figure: Figure | undefined) => withInterval(figure, (value) => String(Math.round(value * 100)));
  return {
    title: 'Quality by task, % right',
    header: ['model', ...tasks, 'fell apart'],
    rows: measured.map(({ model, profile }) => [
      model,
      ...tasks.map((task) => share(profile[`quality.${task}`])),
      share(profile.degenerateAnswers),
    ]),
    note: "Brackets hold Wilson's 95 % interval; routing weighs it against the policy's own number. Above 5 % of answers fallen apart a model is quarantined.",
  };
}

function perplexityTable(models: readonly ModelReport[]): Table {
  const known = models.filter(({ profile }) => profile.perplexity !== undefined);
  return {
    title: 'Perplexity',
    header: ['model', 'perplexity', 'divergence from its base, nats', 'same top token, %'],
    rows: known.map(({ model, profile }) => [
      model,
      withInterval(profile.perplexity, (value) => value.toFixed(3)),
      withInterval(profile.klDivergence, (value) => value.toFixed(4)),
      withInterval(profile.sameTopToken, (value) => (value * 100).toFixed(1)),
    ]),
    note: 'As llama-perplexity printed them; only models of one tokenizer, on one text, compare.',
  };
}

function pairTable({ pairs }: MachineReport): Table {
  const factor = (value: number) => `${value.toFixed(2)} times`;
  return {
    title: 'Side by side',
    header: ['model', 'while', 'on', 'TTFT takes', 'TPOT takes', 'n'],
    rows: pairs.map(({ model, withModel, withDevice, prefillFactor, decodeFactor, n }) => [
      model,
      `${withModel} generates`,
      withDevice,
      factor(prefillFactor),
      factor(decodeFactor),
      String(n),
    ]),
  };
}

function sustainedTable(models: readonly ModelReport[]): Table {
  return {
    title: 'Sustained speed',
    header: ['model', 'minutes', 'first third tok/s', 'last third tok/s', 'kept', 'hottest'],
    rows: models.flatMap(({ model, sustained }) => {
      const timed = sustained.filter(({ decodeTokensPerSec }) => decodeTokensPerSec > 0);
      const third = Math.ceil(timed.length / 3);
      const [first, last] = [meanRate(timed.slice(0, third)), meanRate(timed.slice(-third))];
      if (first === undefined || last === undefined) return [];
      const hottest = Math.max(...timed.flatMap(({ celsius }) => celsius ?? []));
      return [
        [
          model,
          ((timed.at(-1)?.atMs ?? 0) / 60_000).toFixed(1),
          threeDigits(first),
          threeDigits(last),
          formatShare(last / first),
          Number.isFinite(hottest) ? `${hottest.toFixed(0)} °C` : '-',
        ],
      ];
    }),
  };
}

function meanRate(points: ModelReport['sustained']): number | undefined {
  if (points.length === 0) return undefined;
  return points.reduce((sum, { decodeTokensPerSec }) => sum + decodeTokensPerSec, 0) / points.length;
}

function tuneTable({ model, objective, axes, trials, conclusion }: TuneTable): Table {
  const number = (value: number | undefined) => (value === undefined ? '-' : threeDigits(value));
  return {
    title: `Tuning ${model} for ${objective}`,
    header: [...axes, 'prompt tok/s', 'decode tok/s', 'wall s', 'TTFT', 'memory', 'outcome'],
    rows: trials.map((trial) => [
      ...axes.map((axis) => trial.settings[axis] ?? '-'),
      number(trial.promptTps),
      number(trial.decodeTps),
      number(trial.wallS),
      duration(trial.ttftMs),
      trial.peakRssBytes === undefined ? '-' : formatBytes(trial.peakRssBytes),
      trial.status,
    ]),
    note: conclusion,
  };
}
