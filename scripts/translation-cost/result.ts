import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunPlace } from '../gateway-bench/result-file.ts';
import type { Pace } from './process-cost.ts';

/** One endpoint's figures, µs of CPU per token. */
export type Row = {
  readonly path: string;
  readonly isPassThrough: boolean;
  /** The codec's writer by itself. */
  readonly writerUs: number;
  /** The whole process of the gateway. */
  readonly gatewayUs: number;
  /** The bare relay in the same round. */
  readonly relayUs: number;
  /** Median of the rounds' differences. */
  readonly addedUs: number;
  readonly limitUs: number;
  readonly verdict: 'meets' | 'misses';
};

/** One run, as it is kept. */
export type TranslationResult = RunPlace & {
  readonly version: 1;
  readonly rounds: number;
  readonly pace: Pace;
  readonly rows: readonly Row[];
};

/** Writes `<date>-<host kind>-translation.json` and `.md`; path of the JSON. */
export async function writeTranslation(result: TranslationResult, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  const base = join(folder, `${result.at.slice(0, 10)}-${result.hostKind}-translation`);
  await writeFile(`${base}.json`, `${JSON.stringify(result, null, 1)}\n`);
  await writeFile(`${base}.md`, renderTranslation(result));
  return `${base}.json`;
}

const us = (value: number): string => value.toFixed(1);

/** The table with what a reader must know to compare it. */
export function renderTranslation({ at, hostKind, rounds, pace, rows, fingerprint }: TranslationResult): string {
  const { node, commit, loadAverageBefore } = fingerprint;
  return [
    `# CPU of a streamed token, ${at.slice(0, 10)}, ${hostKind}`,
    '',
    `µs of CPU per token, medians of ${rounds} interleaved rounds of ${pace.streams} streams of ${pace.tokens} tokens, ${pace.clients} at a time, a token`,
    `every ${pace.gapUs / 1000} ms and each in a write of its own. Node ${node}, commit ${commit}, load average before ${Number(loadAverageBefore).toFixed(1)}.`,
    'writer: the codec by itself; gateway: its whole process; relay: a bare `node:http` relay in front of the same engine;',
    'added: gateway less relay in the same round, which is what the limit is about.',
    '',
    '| endpoint | way | writer | gateway | relay | added | gateway/relay | limit | |',
    '|---|---|---:|---:|---:|---:|---:|---:|---|',
    ...rows.map(
      (row) =>
        `| \`${row.path}\` | ${row.isPassThrough ? 'passes through' : 'translated'} | ${us(row.writerUs)} | ${us(row.gatewayUs)} | ${us(row.relayUs)} | ${us(row.addedUs)} | ${(row.gatewayUs / row.relayUs).toFixed(2)} | ${row.limitUs} | ${row.verdict} |`,
    ),
    '',
  ].join('\n');
}
