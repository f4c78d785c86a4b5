import { demoTierIds, type TierId, tierPath } from './tiers.ts';

/** What the demo's policy depends on. */
export type DemoPolicyOptions = {
  readonly server: string;
  readonly bench: string;
  readonly modelFolder: string;
  readonly port: number;
  /** The simulated NPU: library and stand-in model; absent where there is no compiler to build it with. */
  readonly npu?: { readonly library: string; readonly file: string };
  /** Latency targets by class, ms; a class without one takes the best model there is. */
  readonly targets: Readonly<Partial<Record<'route' | 'interactive' | 'quality', number>>>;
};

/** Id of the tier on the simulated NPU. */
export const NPU_TIER_ID = 'demo-npu-simulated';

// Above the smallest CPU tier, below what interactive work asks for: it is for routing and nothing else.
const NPU_QUALITY = 0.55;

/** Quality priors, as in the shipped policy for the sizes the tiers stand for. */
const QUALITY: Readonly<Record<(typeof demoTierIds)[number], number>> = {
  'demo-1.7b': 0.5,
  'demo-4b': 0.7,
  'demo-9b': 0.8,
  'demo-27b': 0.88,
};

/** Tokens of the longest demo answer: what the classes expect until traffic has taught better. */
export const DEMO_OUTPUT_TOKENS = 20;

/** The demo's policy as YAML: four models on one CPU and a simulated NPU, with nothing but latency targets to tell them apart. */
export function demoPolicy(options: DemoPolicyOptions): string {
  return `# Written by "sluice demo"; each run writes it anew. Start your own from routing-policy.yaml.
version: 1
gateway: { port: ${options.port} }
machine: { reserve: 1GB }
devices: { cpu: { lanes: 1 }${options.npu === undefined ? '' : ', npu: { lanes: 1 }'} }
runtimes:
  llama:
    kind: llama-server
    device: cpu
    binary: ${JSON.stringify(options.server)}
    bench_binary: ${JSON.stringify(options.bench)}
    settings: { threads: 1, context: 1024, parallel: 1, jinja: true, reasoning_budget: 0, flash_attention: on, cache_ram: 64MiB }
${npuRuntime(options)}models:
${demoTierIds.map((id) => modelLine(id, options)).join('\n')}
${npuModel(options)}# No model is reserved for a class: what keeps the larger ones out is their own measured speed.
classes:
  route:       { ${target(options.targets.route)}min_quality: 0.4, output_tokens: ${DEMO_OUTPUT_TOKENS} }
  interactive: { ${target(options.targets.interactive)}min_quality: 0.6, output_tokens: ${DEMO_OUTPUT_TOKENS} }
  quality:     { ${target(options.targets.quality)}min_quality: 0.6, output_tokens: ${DEMO_OUTPUT_TOKENS} }
  batch:       { output_tokens: ${DEMO_OUTPUT_TOKENS} }
`;
}

function modelLine(id: (typeof demoTierIds)[number] & TierId, { modelFolder }: DemoPolicyOptions): string {
  const file = JSON.stringify(tierPath(modelFolder, id));
  return `  ${id}: { runtime: llama, file: ${file}, quality: ${QUALITY[id]}, keep: resident }`;
}

function npuRuntime({ npu }: DemoPolicyOptions): string {
  if (npu === undefined) return '';
  return `  # SIMULATED: the library is Sluice's own stand-in for librkllmrt.so; the worker process around it is real.
  npu: { kind: rkllm, device: npu, library: ${JSON.stringify(npu.library)}, settings: { template: chatml } }
`;
}

function npuModel({ npu }: DemoPolicyOptions): string {
  if (npu === undefined) return '';
  return `  # SIMULATED: a text file that says how fast to answer; no NPU and no model is involved.
  ${NPU_TIER_ID}: { runtime: npu, file: ${JSON.stringify(npu.file)}, quality: ${NPU_QUALITY}, keep: resident }
`;
}

const target = (e2eMs: number | undefined): string => (e2eMs === undefined ? '' : `e2e: ${Math.round(e2eMs)}ms, `);
