import { isAbsolute, relative } from 'node:path';
import { formatBytes, formatCpuList } from '../core/format.ts';
import type { PlannedModel, PolicyPlan } from './plan-policy.ts';

/** Where a policy is written to. */
export type WriteOptions = {
  /** Absolute folder of the policy file: model files inside it are named relative to it. */
  readonly folder: string;
  /** Folder that was searched for models. */
  readonly modelFolder: string;
};

/** The plan as a commented policy file. A plan without models gives a valid file that tells where to put them. */
export function writePolicy(plan: PolicyPlan, options: WriteOptions): string {
  const sections = [
    header(plan),
    'version: 1\n',
    'gateway:\n  host: 127.0.0.1                # other addresses need clients with keys, see docs/policy.md\n  port: 8080\n',
    machineSection(plan),
    runtimesSection(plan),
    modelsSection(plan, options),
    classesSection(plan),
  ];
  return sections.join('\n');
}

function header({ machine }: PolicyPlan): string {
  const { title, memoryBytes, clusters, npu } = machine;
  const memory = memoryBytes === undefined ? 'memory unknown' : formatBytes(memoryBytes);
  const cpus = clusters.map((cluster) => {
    const clock = cluster.maxKhz === undefined ? '' : ` at ${(cluster.maxKhz / 1e6).toFixed(2)} GHz`;
    return `${formatCpuList(cluster.cpus)}${clock}`;
  });
  const lines = [
    'Written by "sluice init", which looked at this machine and its model files; yours to change from here on.',
    'Every key is explained in docs/policy.md. "sluice policy check" finds mistakes, "sluice doctor" what the machine',
    'lacks, and "sluice bench" measures the models: until then their speed is an estimate from their size.',
    '',
    `Machine: ${oneLine(title)}; CPUs ${cpus.join(', ')}; ${memory}`,
  ];
  if (npu !== undefined) {
    const driver =
      npu.driver.kind === 'off' ? npu.driver.reason : `driver ${npu.driver.version ?? 'of unknown version'}`;
    const library = npu.library === undefined ? 'no librkllmrt.so' : `librkllmrt.so ${npu.libraryVersion ?? ''}`.trim();
    lines.push(`NPU: ${npu.soc.name} with ${npu.soc.npuCores} cores; ${driver}; ${library}`);
  }
  return `${lines.map((line) => `# ${line}`.trimEnd()).join('\n')}\n`;
}

function machineSection({ reserveBytes, machine }: PolicyPlan): string {
  const budget =
    machine.memoryBytes === undefined ? '' : `; leaves ${formatBytes(machine.memoryBytes - reserveBytes)} for models`;
  return [
    'machine:',
    '  memory: auto                   # what the machine has',
    `  reserve: ${`${reserveBytes / 1e9}GB`.padEnd(22)}# for the system and the gateway${budget}`,
    '  node_heap: 256MB               # the gateway needs less than 130 MB',
    '',
  ].join('\n');
}

function runtimesSection(plan: PolicyPlan): string {
  const npu = npuRuntime(plan);
  return [
    'devices:                         # one generation at a time: two at once share the memory bandwidth and halve each other',
    '  cpu: { lanes: 1 }',
    ...(npu.length === 0 ? [] : ['  npu: { lanes: 1 }']),
    '',
    'runtimes:',
    ...llamaRuntime(plan),
    ...npu,
    '',
  ].join('\n');
}

function llamaRuntime({ machine, launch }: PolicyPlan): readonly string[] {
  const programs =
    machine.llamaServer === undefined
      ? ['    binary: llama-server         # not found here: install llama.cpp, or run scripts/install-llama-cpp']
      : [`    binary: ${quoted(machine.llamaServer)}`];
  if (machine.llamaBench !== undefined) programs.push(`    bench_binary: ${quoted(machine.llamaBench)}`);
  return [
    '  llama:',
    '    kind: llama-server',
    '    device: cpu',
    ...programs,
    '    settings:',
    ...(launch.cpus === undefined ? [] : [`      cpus: ${formatCpuList(launch.cpus)}`]),
    `      threads: ${String(launch.threads).padEnd(18)}# ${launch.why}`,
    `      context: ${String(launch.context).padEnd(18)}# prompt and answer together, in tokens; more costs memory in every child`,
    '      parallel: 1                # one generation per child',
    "      jinja: true                # the model's own chat template, which tools need",
    '      reasoning_budget: 0        # no thinking: on a CPU it uses up the time before the answer begins',
    '      cache_type_k: f16          # safest for quality; q8_0 halves the memory of the context',
    '      cache_type_v: f16',
    '      flash_attention: on',
    ...(launch.cpuOnly
      ? ["      gpu_layers: 0              # all on the CPU, even where a build could use the board's GPU"]
      : []),
    '      load_mode: mmap            # pages of an unloaded model stay cached, so loading again is quick',
    '      batch: 64',
    '      ubatch: 64                 # a cancel waits for one of these',
    "      cache_ram: 256MiB          # the program's own cap is 8 GiB per child",
    "      checkpoint_min_step: 256   # lets models with recurrent layers reuse a prompt's beginning",
  ];
}

function npuRuntime({ machine: { npu, clusters } }: PolicyPlan): readonly string[] {
  if (npu === undefined) return [];
  const library =
    npu.library === undefined
      ? '    library: /usr/lib/librkllmrt.so  # not found: install 1.2.3 or 1.3.x, see docs/board.md'
      : `    library: ${quoted(npu.library)}`;
  const [big] = clusters;
  const mask = clusters.length > 1 && big !== undefined ? cpuMask(big.cpus) : undefined;
  return [
    '  npu:',
    '    kind: rkllm',
    '    device: npu',
    library,
    ...(npu.driver.kind === 'off' ? [`    # ${npu.driver.reason}; ${npu.driver.remedy}`] : []),
    '    settings:',
    ...(mask === undefined ? [] : [`      cpu_mask: ${mask.padEnd(17)}# the big cores prepare the NPU's work`]),
    '      embed_flash: true          # the embedding table stays in storage, which saves memory',
    '      base_domain_id: 0',
  ];
}

const cpuMask = (cpus: readonly number[]): string =>
  `0x${cpus
    .reduce((mask, cpu) => mask | (1n << BigInt(cpu)), 0n)
    .toString(16)
    .toUpperCase()}`;

function modelsSection({ models, unused }: PolicyPlan, { folder, modelFolder }: WriteOptions): string {
  const lines = [
    '# `quality` is assumed from the size, between 0 and 1, until "sluice bench --quality" has measured it. `resident` stays',
    '# loaded; `idle` leaves after so long without a request.',
  ];
  if (models.length === 0) {
    lines.push(
      `# No model files were found in ${oneLine(modelFolder)}. Put .gguf files (or .rkllm, for an NPU) there and run`,
      '# "sluice init --force" again, or declare them by hand:',
      '#   my-model: { runtime: llama, file: models/my-model.gguf, quality: 0.7, keep: resident }',
      'models: {}',
    );
  } else {
    lines.push('models:', ...models.flatMap((model) => modelLines(model, folder)));
  }
  for (const { file, reason } of unused) lines.push(`# not used: ${oneLine(shown(file, folder))}: ${oneLine(reason)}`);
  return `${lines.join('\n')}\n`;
}

const KEEP: Readonly<Record<PlannedModel['keep'], string>> = {
  resident: 'resident',
  idle: '{ idle: 15m }',
  soon: '{ idle: 5m }',
};

function modelLines(model: PlannedModel, folder: string): readonly string[] {
  const { found, quality, keep, classes, enabled, aliases, why } = model;
  const settings = [
    ...(found.mmproj === undefined ? [] : [`mmproj: ${quoted(shown(found.mmproj, folder))}`]),
    ...(found.purpose === 'embeddings' ? ['embeddings: true'] : []),
    ...(found.purpose === 'rerank' ? ['rerank: true'] : []),
  ];
  return [
    `  ${quoted(found.id)}:`,
    `    # ${describe(model)}`,
    `    runtime: ${found.kind === 'rkllm' ? 'npu' : 'llama'}`,
    `    file: ${quoted(shown(found.file, folder))}`,
    ...(aliases.length === 0 ? [] : [`    aliases: [${aliases.join(', ')}]`]),
    `    quality: ${quality}`,
    ...(enabled
      ? [`    keep: ${KEEP[keep].padEnd(23)}# ${oneLine(why)}`]
      : [`    enabled: false               # ${oneLine(why)}`]),
    ...(classes === undefined ? [] : [`    classes: [${classes.join(', ')}]`]),
    ...(settings.length === 0 ? [] : [`    settings: { ${settings.join(', ')} }`]),
    // Coherent on RKLLM where other values gave garbage (notes of a public RK3588 server).
    ...(found.kind === 'rkllm' ? ['    sampling: { temperature: 0.6, top_k: 20, top_p: 0.95 }'] : []),
  ];
}

function describe({ found: { facts, purpose } }: PlannedModel): string {
  const parameters = facts.parametersBillion === undefined ? undefined : parametersText(facts.parametersBillion);
  const words = [
    parameters,
    facts.quantization,
    `file ${formatBytes(facts.weightsBytes)}`,
    `needs about ${formatBytes(facts.estimatedMemoryBytes)} loaded`,
    purpose === 'generation' ? undefined : `made for ${purpose}`,
  ];
  return oneLine(words.filter((word) => word !== undefined).join(', '));
}

const parametersText = (billion: number): string =>
  billion < 1 ? `${threeDigits(billion * 1000)}M parameters` : `${threeDigits(billion)}B parameters`;

const threeDigits = (value: number): string => String(Number(value.toPrecision(3)));

function classesSection({ floors, routeModel, machine }: PolicyPlan): string {
  const floor = (value: number) =>
    value === 0 ? '0                # no model found here clears the usual 0.65' : `${value}            # 4B and up`;
  const prefer =
    routeModel === undefined
      ? []
      : [`    prefer: ${quoted(routeModel).padEnd(21)}# wins whenever it is in time: the shortest first token`];
  return [
    "# Targets count from a request's arrival. The best model that is predicted to meet them answers; where none does, the",
    '# nearest one answers and says by how much it missed.',
    'classes:',
    '  route:                         # labels, titles, yes or no',
    '    ttft: 1500ms',
    '    e2e: 6s',
    '    min_quality: 0.4',
    ...prefer,
    '  interactive:                   # somebody reads along',
    '    ttft: 20s',
    '    e2e: 45s',
    `    min_quality: ${floor(floors.interactive)}`,
    '  quality:                       # somebody waits for a better answer',
    '    e2e: 240s',
    `    min_quality: ${floor(floors.quality)}`,
    '  batch:                         # nobody waits',
    ...(machine.npu === undefined
      ? []
      : [
          '    window: "22:00-07:00"        # in the machine\'s own time zone; the hours that may take the whole machine',
        ]),
    '    when_none: defer',
    '    quantile: 0.5',
    '',
  ].join('\n');
}

function shown(file: string, folder: string): string {
  const inside = relative(folder, file);
  return inside.startsWith('..') || isAbsolute(inside) ? file : inside;
}

/** As YAML, which reads JSON's strings too; plain where nothing in it could be taken for something else. */
const quoted = (text: string): string =>
  /^[A-Za-z/][A-Za-z0-9/._+-]*$/.test(text) && !/^(true|false|null)$/i.test(text) ? text : JSON.stringify(text);

/** Comments end with their line, and so must what is quoted in them. */
const oneLine = (text: string): string => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
