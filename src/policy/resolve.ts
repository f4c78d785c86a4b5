import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { ModelClass } from '../core/classes.ts';
import { modelId, runtimeId } from '../core/ids.ts';
import type {
  BeforeStart,
  ClassifyPolicy,
  ClassifyRule,
  ClassPolicy,
  KeepPolicy,
  MachinePolicy,
  ModelPolicy,
  Policy,
  RuntimePolicy,
  RuntimeSettings,
  Window,
} from '../core/policy.ts';
import type { ParsedModel, ParsedPolicy } from './schema.ts';
import type { ParsedBatch } from './schema-batch.ts';
import type { ParsedClass, ParsedRule } from './schema-classes.ts';
import type { ParsedRouting } from './schema-routing.ts';
import type { ParsedSettings } from './schema-settings.ts';
import { parseWindows } from './windows.ts';

/** Where the policy came from. */
export type PolicyOrigin = { readonly file: string; readonly revision: string };

/**
 * The policy every part reads, from a file that has passed the schema and the reference checks: paths made absolute,
 * a runtime's settings laid under its models', keys renamed with their units. Not yet frozen.
 */
export function resolvePolicy(parsed: ParsedPolicy, origin: PolicyOrigin): Policy {
  const file = isBuiltin(origin.file) ? origin.file : resolve(origin.file);
  const folder = isBuiltin(origin.file) ? process.cwd() : dirname(file);
  return {
    file,
    revision: origin.revision,
    gateway: gatewayOf(parsed.gateway),
    machine: machineOf(parsed.machine, folder),
    devices: new Map(Object.entries(parsed.devices).map(([id, { lanes }]) => [id, { id, lanes }])),
    runtimes: new Map(
      Object.entries(parsed.runtimes).map(([id, runtime]) => [runtimeId(id), runtimeOf(id, runtime, folder)]),
    ),
    models: new Map(
      Object.entries(parsed.models).map(([id, model]) => {
        const inherited = parsed.runtimes[model.runtime]?.settings ?? {};
        return [modelId(id), modelOf({ id, model, inherited, folder })];
      }),
    ),
    classes: {
      route: classOf(parsed.classes.route),
      interactive: classOf(parsed.classes.interactive),
      quality: classOf(parsed.classes.quality),
      batch: classOf(parsed.classes.batch),
    },
    routing: routingOf(parsed.routing),
    classify: classifyOf(parsed.classify),
    batch: batchOf(parsed.batch, classOf(parsed.classes.batch).window),
    bench: { idle: idleBenchOf(parsed.bench.idle) },
    observe: { otlp: otlpOf(parsed.observe.otlp) },
    verdicts: verdictsOf(parsed.verdicts),
    clients: parsed.clients.map((client) => ({
      name: client.name,
      keyEnv: client.key_env,
      class: client.class,
      requestsPerMinute: client.requests_per_minute,
      maxTokens: client.max_tokens,
      concurrent: client.concurrent,
      tokensPerMinute: client.tokens_per_minute,
      daily: client.daily === undefined ? undefined : { requests: client.daily.requests, tokens: client.daily.tokens },
      classes: client.classes,
      models: client.models?.map(modelId),
    })),
  };
}

/** A path as the file means it: `~` is the home folder, a relative one starts at the policy file's folder. */
export function resolvePath(path: string, folder: string): string {
  const expanded = path === '~' || path.startsWith('~/') ? `${homedir()}${path.slice(1)}` : path;
  return resolve(folder, expanded);
}

const isBuiltin = (file: string): boolean => file.startsWith('<');

/** A program or library: a bare name is looked up later (PATH, prefix, system loader), anything else is a path. */
function resolveProgram(name: string | undefined, folder: string): string | undefined {
  if (name === undefined || !/[/~]/.test(name)) return name;
  return resolvePath(name, folder);
}

function gatewayOf(gateway: ParsedPolicy['gateway']): Policy['gateway'] {
  return {
    host: gateway.host,
    port: gateway.port,
    unknownModel: gateway.unknown_model,
    bodyBytesMax: gateway.body_limit,
    earlyHeadersMs: gateway.early_headers,
    heartbeatMs: gateway.heartbeat,
    statusHoldMs: gateway.status_hold,
    writeTimeoutMs: gateway.write_timeout,
    drainMs: gateway.drain,
    queueDepthMax: gateway.queue_depth,
    corsOrigins: gateway.cors,
    recordFeatures: gateway.record === 'features',
    streamGuard: gateway.stream_guard,
  };
}

const routingOf = (routing: ParsedRouting): Policy['routing'] => ({
  explore: routing.explore,
  congestionPrice: routing.congestion_price,
  loadPrice: routing.load_price,
  swapMargin: routing.swap_margin,
  conversationBonus: routing.conversation_bonus,
});

function idleBenchOf(idle: ParsedPolicy['bench']['idle']): Policy['bench']['idle'] {
  if (idle === 'off') return undefined;
  return { afterMs: idle.after, temperatureMaxCelsius: idle.temperature_max, maxAgeMs: idle.max_age };
}

function batchOf(batch: ParsedBatch, classWindow: Window | undefined): Policy['batch'] {
  const timezone = classWindow?.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return {
    windows: batchWindows(batch.windows, { classWindow, timezone }),
    timezone,
    idleMs: batch.idle === 'off' ? undefined : batch.idle,
    temperatureMaxCelsius: batch.temperature_max,
    foreignLoadMax: batch.load_max,
    yield: batch.yield,
    swapBackMs: batch.swap_back,
    crashesMax: batch.crashes_max,
    fileBytesMax: batch.file_limit,
    linesMax: batch.lines_max,
    keepFilesMs: batch.keep_files,
  };
}

type Zone = { readonly classWindow: Window | undefined; readonly timezone: string };

function batchWindows(text: string | undefined, { classWindow, timezone }: Zone): readonly Window[] {
  if (text === 'always') return [];
  if (text !== undefined) return parseWindows(text, timezone);
  return classWindow === undefined ? [] : [classWindow];
}

const otlpOf = (otlp: ParsedPolicy['observe']['otlp']): Policy['observe']['otlp'] => ({
  endpoint: otlp.endpoint,
  everyMs: otlp.every,
  traceShare: otlp.trace_share,
});

const verdictsOf = (verdicts: ParsedPolicy['verdicts']): Policy['verdicts'] => ({
  chat: { promptTokens: verdicts.chat.prompt_tokens, outputTokens: verdicts.chat.output_tokens },
  excellentMs: verdicts.excellent,
  comfortableMs: verdicts.comfortable,
  deliberateMs: verdicts.deliberate,
  npuDecodeFloor: verdicts.npu_decode_floor,
  decodeFloor: verdicts.decode_floor,
  memoryShareMax: verdicts.memory_share,
});

function machineOf(machine: ParsedPolicy['machine'], folder: string): MachinePolicy {
  return {
    memoryBytes: machine.memory === 'auto' ? undefined : machine.memory,
    reserveBytes: machine.reserve,
    environment: machine.environment,
    nodeHeapBytes: machine.node_heap,
    beforeStart: machine.before_start.map((step) => ({
      run: step.run,
      environment: step.env,
      ready: readyOf(step.ready, folder),
      timeoutMs: step.timeout,
      keep: step.keep,
      skipWhenReady: step.skip_when_ready && !('exit' in step.ready),
    })),
  };
}

function readyOf(
  ready: ParsedPolicy['machine']['before_start'][number]['ready'],
  folder: string,
): BeforeStart['ready'] {
  if ('exit' in ready) return { kind: 'exit' };
  if ('http' in ready) return { kind: 'http', url: ready.http };
  if ('file' in ready) return { kind: 'file', path: resolvePath(ready.file, folder) };
  const colon = ready.tcp.lastIndexOf(':');
  return {
    kind: 'tcp',
    host: ready.tcp.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(ready.tcp.slice(colon + 1)),
  };
}

function runtimeOf(id: string, runtime: ParsedPolicy['runtimes'][string], folder: string): RuntimePolicy {
  return {
    id: runtimeId(id),
    kind: runtime.kind,
    device: runtime.device,
    binary: resolveProgram(runtime.binary, folder),
    benchBinary: resolveProgram(runtime.bench_binary, folder),
    library: resolveProgram(runtime.library, folder),
    settings: settingsOf(runtime.settings, folder),
  };
}

function modelOf(source: {
  readonly id: string;
  readonly model: ParsedModel;
  readonly inherited: ParsedSettings;
  readonly folder: string;
}): ModelPolicy {
  const { id, model, inherited, folder } = source;
  const { json_schema: jsonSchema, ...capabilities } = model.capabilities;
  return {
    id: modelId(id),
    runtime: runtimeId(model.runtime),
    file: resolvePath(model.file, folder),
    aliases: model.aliases,
    quality: model.quality,
    keep: keepOf(model.keep),
    classes: model.classes,
    settings: settingsOf(mergedSettings(inherited, model.settings), folder),
    sampling: withoutUndefined(model.sampling),
    enabled: model.enabled,
    capabilities: withoutUndefined({ ...capabilities, jsonSchema }),
  };
}

/** Key by key the model's own wins; of the environment, variable by variable. */
function mergedSettings(runtime: ParsedSettings, model: ParsedSettings): ParsedSettings {
  const environment = { ...runtime.environment, ...model.environment };
  const merged = { ...runtime, ...model };
  return Object.keys(environment).length === 0 ? merged : { ...merged, environment };
}

/** A family's name stays what it is; whatever looks like a file is a path. */
const templateOf = (template: string, folder: string): string =>
  /[/~]|\.(jinja|json)$/.test(template) ? resolvePath(template, folder) : template;

const pathsOf = (paths: Readonly<Record<string, string>>, folder: string): Record<string, string> =>
  Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, resolvePath(path, folder)]));

function settingsOf(settings: ParsedSettings, folder: string): RuntimeSettings {
  const { chat_template_file: template, mmproj } = settings;
  return withoutUndefined({
    cpus: settings.cpus,
    threads: settings.threads,
    threadsBatch: settings.threads_batch,
    context: settings.context,
    parallel: settings.parallel,
    batch: settings.batch,
    ubatch: settings.ubatch,
    jinja: settings.jinja,
    reasoningBudget: settings.reasoning_budget,
    cacheTypeK: settings.cache_type_k,
    cacheTypeV: settings.cache_type_v,
    flashAttention: settings.flash_attention,
    cacheRamBytes: settings.cache_ram,
    gpuLayers: settings.gpu_layers,
    loadMode: settings.load_mode,
    contextCheckpoints: settings.context_checkpoints,
    checkpointMinStep: settings.checkpoint_min_step,
    chatTemplateFile: template === undefined ? undefined : resolvePath(template, folder),
    mmproj: mmproj === undefined ? undefined : resolvePath(mmproj, folder),
    priority: settings.priority,
    extraArgs: settings.extra_args,
    environment: settings.environment,
    cpuMask: settings.cpu_mask,
    embedFlash: settings.embed_flash,
    baseDomainId: settings.base_domain_id,
    abi: settings.abi,
    template: settings.template === undefined ? undefined : templateOf(settings.template, folder),
    lora: settings.lora === undefined ? undefined : pathsOf(settings.lora, folder),
    promptCacheBytes: settings.prompt_cache,
    embeddings: settings.embeddings,
    pooling: settings.pooling,
    rerank: settings.rerank,
  });
}

function keepOf(keep: ParsedModel['keep']): KeepPolicy {
  return typeof keep === 'string' ? { kind: keep } : { kind: 'idle', idleMs: keep.idle };
}

function classOf(source: ParsedClass): ClassPolicy {
  const timezone = source.timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return {
    ttftMs: source.ttft,
    e2eMs: source.e2e,
    minQuality: source.min_quality,
    whenNone: source.when_none,
    prefer: source.prefer === undefined ? undefined : modelId(source.prefer),
    quantile: source.quantile,
    outputTokens: source.output_tokens,
    window: source.window === undefined ? undefined : { ...source.window, timezone },
    yieldTo: source.yield_to satisfies readonly ModelClass[],
  };
}

function classifyOf({ rules, model, confidence, budget, allow_batch }: ParsedPolicy['classify']): ClassifyPolicy {
  return {
    rules: rules.map(ruleOf),
    model: model === 'linear' || model === 'off' ? { kind: model } : { kind: 'model', id: modelId(model) },
    confidence,
    budgetMs: budget,
    allowBatch: allow_batch,
  };
}

function ruleOf(rule: ParsedRule, index: number): ClassifyRule {
  const { when } = rule;
  return {
    class: rule.class,
    path: `classify.rules[${index}]`,
    when: withoutUndefined({
      maxTokensLte: when.max_tokens_lte,
      maxTokensGte: when.max_tokens_gte,
      promptTokensLte: when.prompt_tokens_lte,
      promptTokensGte: when.prompt_tokens_gte,
      systemMatches: when.system_matches,
      lastUserMatches: when.last_user_matches,
      header: when.header === undefined ? undefined : { ...when.header, name: when.header.name.toLowerCase() },
      client: when.client,
      stream: when.stream,
      hasTools: when.has_tools,
      hasImages: when.has_images,
      task: when.task,
    }),
  };
}

/** The same keys without those that hold nothing, so that settings compare equal by their JSON. */
function withoutUndefined<Value extends object>(
  value: Value,
): { [Key in keyof Value]: Exclude<Value[Key], undefined> } {
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined);
  return Object.fromEntries(entries) as { [Key in keyof Value]: Exclude<Value[Key], undefined> };
}
