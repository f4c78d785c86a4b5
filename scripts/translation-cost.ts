/**
 * Measures what a streamed token costs the gateway's processor in each language, and holds it against the project's
 * targets: 8 µs where bytes pass through, 25 µs where they are translated, above what a bare Node relay uses for its
 * sockets. `--help` says how to run it.
 *
 *   each codec's writer by itself → stand-in engine, relay, gateway → rounds: relay, then every endpoint
 *
 * Everything it starts is stopped by pid and its folder removed, also on Ctrl-C.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/core/clock.ts';
import { GatewayError, messageOf } from '../src/core/errors.ts';
import { packageRoot } from '../src/core/package-root.ts';
import { median } from '../src/core/stats.ts';
import { chatBody } from './gateway-bench/check-target.ts';
import { createChildren } from './gateway-bench/children.ts';
import { compilePrograms } from './gateway-bench/programs.ts';
import { describePlace, loadAverage } from './gateway-bench/result-file.ts';
import type { Bench } from './gateway-bench/targets.ts';
import { type Endpoint, measuredEndpoints } from './translation-cost/endpoints.ts';
import { measureProcess, type Pace, startTargets, type Targets } from './translation-cost/process-cost.ts';
import { type Row, renderTranslation, type TranslationResult, writeTranslation } from './translation-cost/result.ts';
import { measureWriter } from './translation-cost/writer-cost.ts';

const HELP = `usage: npx tsx scripts/translation-cost.ts [flags]

Measures the CPU of a streamed token in every language the gateway speaks. Needs gcc and the built gateway
(npm run build).

  --rounds N   rounds (default 5, with --quick 1)
  --quick      short runs, to see that everything works; the figures are not kept
  --out DIR    folder for the results (default bench-results/gateway; none with --quick)
  --json       print the result as JSON in place of the table
  --help       print this

exit codes: 0 measured and every target met · 1 failed, or a target missed · 2 usage
`;

const PASS_THROUGH_LIMIT_US = 8;
const TRANSLATED_LIMIT_US = 25;
const WRITER_TOKENS = 20_000;
const PACE: Pace = { tokens: 2000, gapUs: 1000, streams: 20, clients: 4 };
const QUICK: Pace = { tokens: 500, gapUs: 1000, streams: 4, clients: 4 };

type Run = {
  readonly rounds: number;
  readonly pace: Pace;
  readonly json: boolean;
  readonly outDir: string | undefined;
};

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const run = readArguments(process.argv.slice(2));
    if (run !== undefined) return await measure(run);
    console.log(HELP);
    return 0;
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    console.error(`translation-cost: ${thrown.message}`);
    return thrown.code === 'usage' ? 2 : 1;
  }
}

/** Undefined where help is asked for. */
function readArguments(words: readonly string[]): Run | undefined {
  const values = readFlags(words);
  if (values.help === true) return undefined;
  const quick = values.quick === true;
  const rounds = values.rounds === undefined ? (quick ? 1 : 5) : Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new GatewayError('usage', `--rounds takes a whole number from 1, not ${values.rounds}`);
  }
  const outDir = values.out ?? (quick ? undefined : join(packageRoot(), 'bench-results/gateway'));
  return { rounds, pace: quick ? QUICK : PACE, json: values.json === true, outDir };
}

function readFlags(words: readonly string[]) {
  try {
    const text = { type: 'string' } as const;
    const flag = { type: 'boolean' } as const;
    const options = { rounds: text, quick: flag, json: flag, out: text, help: { ...flag, short: 'h' } } as const;
    return parseArgs({ args: [...words], options }).values;
  } catch (cause) {
    throw new GatewayError('usage', `${messageOf(cause)}; see --help`, { cause });
  }
}

async function measure(run: Run): Promise<number> {
  if (!existsSync(join(packageRoot(), 'dist/src/cli.js')))
    throw new GatewayError('usage', 'the gateway is not built: run "npm run build" first');
  const loadAverageBefore = loadAverage();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-translation-cost-'));
  const children = createChildren(folder, systemClock);
  const interruption = new AbortController();
  const interrupt = () => {
    interruption.abort();
    void children.stopAll();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    const programs = await compilePrograms(folder);
    const bench = { folder, children, programs, clock: systemClock, signal: interruption.signal };
    const rows = await measureRows(bench, run);
    const place = await describePlace(loadAverageBefore, systemClock);
    await publish({ version: 1, ...place, rounds: run.rounds, pace: run.pace, rows }, run);
    return rows.some(({ verdict }) => verdict === 'misses') ? 1 : 0;
  } finally {
    await children.stopAll();
    await rm(folder, { recursive: true, force: true });
  }
}

async function publish(result: TranslationResult, { json, outDir }: Run): Promise<void> {
  console.log(json ? JSON.stringify(result, null, 1) : renderTranslation(result));
  if (outDir !== undefined) console.error(`written: ${await writeTranslation(result, outDir)}`);
}

type Sample = { readonly gatewayUs: number; readonly relayUs: number };

async function measureRows(bench: Bench, { rounds, pace }: Run): Promise<readonly Row[]> {
  const endpoints = measuredEndpoints();
  const writers = endpoints.map((endpoint) => measureWriter(endpoint, WRITER_TOKENS));
  const targets = await startTargets(bench, pace);
  await measureRound(targets, endpoints, { ...pace, streams: 1, clients: 1 }); // warms up
  const samples: (readonly Sample[])[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    console.error(`round ${round} of ${rounds}`);
    samples.push(await measureRound(targets, endpoints, pace));
  }
  return endpoints.map(({ codec }, index) => {
    const own = samples.map((round) => round[index] as Sample);
    const { isPassThrough = false, usPerToken = 0 } = writers[index] ?? {};
    const limitUs = isPassThrough ? PASS_THROUGH_LIMIT_US : TRANSLATED_LIMIT_US;
    const addedUs = median(own.map(({ gatewayUs, relayUs }) => gatewayUs - relayUs)) ?? 0;
    return {
      path: codec.path,
      isPassThrough,
      writerUs: usPerToken,
      gatewayUs: median(own.map(({ gatewayUs }) => gatewayUs)) ?? 0,
      relayUs: median(own.map(({ relayUs }) => relayUs)) ?? 0,
      addedUs,
      limitUs,
      verdict: addedUs <= limitUs ? 'meets' : 'misses',
    };
  });
}

// The relay before and after: a machine that slows down within a round then does so for both.
async function measureRound(
  { gateway, relay }: Targets,
  endpoints: readonly Endpoint[],
  pace: Pace,
): Promise<readonly Sample[]> {
  const asked = { path: '/v1/chat/completions', body: chatBody({ stream: true }) };
  const before = await measureProcess(relay, asked, pace);
  const gatewayUs: number[] = [];
  for (const { codec, body } of endpoints)
    gatewayUs.push(await measureProcess(gateway, { path: codec.path, body }, pace));
  const relayUs = (before + (await measureProcess(relay, asked, pace))) / 2;
  return gatewayUs.map((own) => ({ gatewayUs: own, relayUs }));
}
