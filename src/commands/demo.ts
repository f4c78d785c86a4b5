import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type Gateway, startGateway } from '../app.ts';
import { benchModels } from '../bench/bench-models.ts';
import { REPETITIONS_QUICK } from '../bench/bench-options.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import { packageVersion } from '../core/package-root.ts';
import type { Policy } from '../core/policy.ts';
import { type DemoPolicyOptions, demoPolicy, NPU_TIER_ID } from '../demo/demo-policy.ts';
import { writeAllTiers } from '../demo/tiers.ts';
import { openMachine } from '../machine.ts';
import { createEventBus, type EventBus } from '../observe/event-bus.ts';
import { loadPolicy } from '../policy/load.ts';
import { cacheFolder } from '../transport/cache-folder.ts';
import { prepareNpuTier } from './demo-npu.ts';
import { type AnsweredRequest, askDemoRequests, predictDemoTargets } from './demo-requests.ts';
import { formatTable } from './format-table.ts';
import { installLlamaCpp } from './install-llama-cpp.ts';
import { parsePort } from './parse-port.ts';
import { createProgressLine } from './progress-line.ts';
import { untilStopped } from './until-stopped.ts';

type DemoOptions = { readonly port: number; readonly data: string; readonly once?: true; readonly json?: true };

/** Long enough to read the figures off, short enough to wait for. */
const POLICY_TIMEOUT_MS = 10_000;

/** Adds `sluice demo`: the whole way from nothing to four classes answered by four processes. */
export function registerDemoCommand(program: Command): void {
  program
    .command('demo')
    .description(
      'install llama.cpp if needed, write four small models, measure them, serve, and route a request per class',
    )
    .addOption(new Option('--port <number>', 'port to listen on, 0 = a free one').default(8080).argParser(parsePort))
    .option('--once', 'stop after the requests instead of serving on')
    .option('--json', 'print the requests and answers as JSON')
    .addHelpText(
      'after',
      '\nWithout --data everything goes to ./data/demo. A second run uses what the first one measured.',
    )
    .action(async (_: unknown, command: Command) => {
      const options: DemoOptions = command.optsWithGlobals();
      const isDefault = command.getOptionValueSourceWithGlobals('data') === 'default';
      await demo({ ...options, data: resolve(isDefault ? join(options.data, 'demo') : options.data) });
    });
}

async function demo(options: DemoOptions): Promise<void> {
  const program = await installLlamaCpp({});
  say(`llama.cpp ${program.version} (build ${program.build}), from ${program.source}: ${program.server}`);
  const modelFolder = join(cacheFolder(process.env), 'demo-models');
  const tiers = await writeAllTiers(modelFolder, (tier) => {
    if (tier.written) say(`wrote ${tier.id} (${formatBytes(tier.sizeBytes)})`);
  });
  say(`${tiers.length} demo models in ${modelFolder}`);
  const npu = await npuTier(modelFolder);
  await mkdir(options.data, { recursive: true });
  const policyFile = join(options.data, 'demo-policy.yaml');
  const parts = { server: program.server, bench: program.bench, modelFolder, port: options.port, npu };
  // In one step, as editors do: the gateway that watches the file must never see half of it.
  const writePolicy = async (targets: DemoPolicyOptions['targets']) => {
    await writeFile(`${policyFile}~`, demoPolicy({ ...parts, targets }));
    await rename(`${policyFile}~`, policyFile);
  };
  await writePolicy({});
  const events = createEventBus();
  events.subscribe((event) => {
    if (event.kind === 'gateway.notice' && event.level !== 'info') say(event.message);
  });
  await measureMissing(await loadPolicy(policyFile), options, events);
  const gateway = await startGateway({
    policyFile,
    dataDir: options.data,
    port: options.port,
    allowAnonymous: false,
    clock: systemClock,
    events,
    environment: process.env,
  });
  try {
    await gateway.settled();
    const targets = await predictDemoTargets(gateway.url, { hasNpu: npu !== undefined });
    await Promise.all([policyInForce(events), writePolicy(targets)]);
    say('\ntargets set between the predicted times of neighbouring models, by editing the policy while it serves:');
    for (const [name, e2eMs] of Object.entries(targets)) say(`  ${name}: E2E ${formatDurationMs(e2eMs)}`);
    const answers = await askDemoRequests(gateway.url);
    console.log(options.json === true ? JSON.stringify(answers, null, 2) : `\n${describe(answers)}`);
    if (options.once !== true) await serveOn(gateway);
  } finally {
    await gateway.stop();
  }
}

/** The simulated NPU, or undefined where it cannot be built, which is said in one line. */
async function npuTier(modelFolder: string): Promise<DemoPolicyOptions['npu']> {
  try {
    const npu = await prepareNpuTier(modelFolder);
    say(`${NPU_TIER_ID}: a SIMULATED NPU, no hardware: ${npu.library}`);
    return npu;
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'runtime_missing') throw error;
    say(`no simulated NPU, so demo-1.7b answers route: ${error.message.replaceAll(/\s+/g, ' ')}`);
    return undefined;
  }
}

async function serveOn(gateway: Gateway): Promise<void> {
  say(`\nserving on ${gateway.url} until Ctrl-C. Try:`);
  say(
    `  curl -s ${gateway.url}/v1/chat/completions -d '{"model":"auto","messages":[{"role":"user","content":"hello"}]}'`,
  );
  say(`  curl -s ${gateway.url}/router/status`);
  await untilStopped();
}

/** Benchmarks the models this data directory has no measured figures of. */
async function measureMissing(policy: Policy, options: DemoOptions, events: EventBus): Promise<void> {
  const given = { dataDir: options.data, clock: systemClock, events, environment: process.env };
  const idle = { kind: 'idle', idleMs: 3_600_000 } as const;
  const models = new Map([...policy.models].map(([id, model]) => [id, { ...model, keep: idle }] as const));
  const machine = await openMachine(given, (id) => models.get(id));
  const progress = createProgressLine(process.stderr);
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  process.once('SIGINT', onInterrupt).once('SIGTERM', onInterrupt);
  try {
    await machine.supervisor.applyPolicy({ ...policy, models });
    const missing = [...models.values()].filter(
      (model) =>
        machine.profiles.profileOf(model, machine.supervisor.views().get(model.id)?.facts).decodeTokensPerSec
          ?.provenance !== 'measured',
    );
    if (missing.length === 0) return say('all models have been measured before; their figures are used');
    await benchModels({
      policy: { ...policy, models },
      models: missing.map(({ id }) => id),
      target: machine.supervisor,
      store: machine.store,
      clock: systemClock,
      signal: interrupt.signal,
      sluiceVersion: packageVersion(),
      directory: join(options.data, 'bench-results'),
      repetitions: REPETITIONS_QUICK,
      settleMs: 0,
      // The tour is about routing, which takes one decode rate per model.
      depths: false,
      coldLoads: false,
      onProgress: (step) => progress.show(step),
    });
    progress.clear();
    say(
      `measured ${missing.length} models, ${REPETITIONS_QUICK} repetitions each: see ${join(options.data, 'bench-results')}`,
    );
  } finally {
    progress.clear();
    process.off('SIGINT', onInterrupt).off('SIGTERM', onInterrupt);
    await machine.close(0);
  }
  interrupt.signal.throwIfAborted();
}

/** Resolves when a changed policy has been taken over; rejects when it was refused or nothing happened. */
function policyInForce(events: EventBus): Promise<void> {
  return new Promise((resolveLoaded, reject) => {
    const finish = (error?: Error) => {
      cancel();
      unsubscribe();
      if (error === undefined) resolveLoaded();
      else reject(error);
    };
    const cancel = systemClock.after(POLICY_TIMEOUT_MS, () => finish(new Error('the changed policy was not noticed')));
    const unsubscribe = events.subscribe((event) => {
      if (event.kind === 'policy.loaded') finish();
      if (event.kind === 'policy.rejected') finish(new Error(event.message));
    });
  });
}

function describe(answers: readonly AnsweredRequest[]): string {
  const rows = answers.map((answer) => [
    answer.class,
    answer.model,
    String(answer.pid),
    formatDurationMs(answer.predictedMs),
    formatDurationMs(answer.actualMs),
    answer.model === NPU_TIER_ID ? `${answer.basis}, SIMULATED` : answer.basis,
    answer.text,
  ]);
  const table = formatTable(['class', 'model', 'pid', 'predicted', 'actual', 'basis', 'answer'], rows);
  const reasons = answers.map(({ class: name, asked, reason }) => `${name} (${asked})\n  -> ${reason}`);
  const isSimulated = answers.some(({ model }) => model === NPU_TIER_ID);
  const note = isSimulated
    ? ['', `SIMULATED: ${NPU_TIER_ID} runs no model on no NPU; how fast it answers is a setting.`]
    : [];
  return [...table, ...note, '', 'why:', ...reasons].join('\n');
}

const say = (line: string): void => console.error(line);
