import type { BenchDocument, BenchModelResult, Machine } from '../bench/result.ts';
import { formatBytes } from '../core/format.ts';
import { modelId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import { type Profile, resolveProfile } from '../core/profile.ts';
import { modelReports } from './model-report.ts';
import type { LengthFigure, MachineReport, ModelSource, PairReport, SustainedPoint } from './report.ts';

/** A result file as a report of the machine it was measured on. `source` names the file. */
export function fromResult(document: BenchDocument, source: string, policy: Policy): MachineReport {
  const { machine } = document;
  const memoryBudgetBytes =
    machine.memoryBytes === undefined ? undefined : machine.memoryBytes - policy.machine.reserveBytes;
  const measured = document.models.filter(({ figures }) => figures.length > 0);
  return {
    name: machineName(machine),
    facts: [...machineFacts(machine), ['run', `${document.id}, ${document.repetitions} repetitions`]],
    source,
    memoryBudgetBytes,
    models: modelReports(
      measured.map((result) => sourceOf(result, policy)),
      { policy, memoryBudgetBytes },
    ),
    pairs: pairsOf(document),
    tunes: [],
    notes: [
      ...(document.complete === false ? ['The run was not ended: figures are of what was measured until then.'] : []),
      ...document.models.flatMap(({ model, outcome, reason }) =>
        outcome === 'measured' ? [] : [`${model}: ${outcome}${reason === undefined ? '' : ` (${reason})`}`],
      ),
      ...measured.flatMap(({ model, warnings }) => warnings.map((warning) => `${model}: ${warning}`)),
    ],
  };
}

function pairsOf({ pairs }: BenchDocument): readonly PairReport[] {
  return (pairs ?? []).flatMap(({ model, withModel, withDevice, prefillFactor, decodeFactor }) =>
    prefillFactor === undefined || decodeFactor === undefined
      ? []
      : [
          {
            ...{ model, withModel, withDevice, n: decodeFactor.n },
            ...{ prefillFactor: prefillFactor.value, decodeFactor: decodeFactor.value },
          },
        ],
  );
}

/** What a machine is called: the board, the processor or, where neither is known, the architecture. */
export const machineName = (machine: Machine): string =>
  machine.soc === undefined
    ? (machine.cpuModel ?? machine.model ?? machine.architecture)
    : [machine.model, machine.soc].filter((part) => part !== undefined).join(', ');

/** What is known of a machine, as names and values. */
export function machineFacts(machine: Machine): MachineReport['facts'] {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['machine', machine.model],
    ['processor', machine.cpuModel],
    ['CPUs', machine.cpus],
    ['memory', machine.memoryBytes === undefined ? undefined : formatBytes(machine.memoryBytes)],
    ['kernel', machine.kernel],
    ['NPU driver', machine.npuDriver],
  ];
  return facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

function sourceOf(result: BenchModelResult, policy: Policy): ModelSource {
  const known = policy.models.get(modelId(result.model));
  const isNpu = result.runtimeKind === 'rkllm' || result.device === 'npu';
  return {
    model: result.model,
    device: result.device ?? result.runtime,
    isNpu,
    mayChat: known?.classes === undefined || known.classes.includes('interactive'),
    profile: profileOf(result),
    qualityPrior: known?.quality,
    ttft: ttftOf(result),
    sustained: sustainedOf(result),
    simulated: isSimulated(result),
    stale: [],
  };
}

/** True for a run on a simulator, which says so in its version. */
export const isSimulated = ({ runtimeKind, runtimeVersion = '' }: BenchModelResult): boolean =>
  runtimeKind === 'simulated' || runtimeVersion.includes('(simulated)');

function profileOf({ figures, fingerprint }: BenchModelResult): Profile {
  const isServed = new Set(figures.filter(({ side }) => side === 'served').map(({ metric }) => metric));
  return resolveProfile(
    figures
      .filter(({ side, metric }) => side === 'served' || !isServed.has(metric))
      .map(({ metric, value, n, low, high, source, at }) => ({
        metric,
        figure: {
          ...{ value, n, source, provenance: 'measured' },
          ...(low === undefined || high === undefined ? {} : { low, high }),
          ...(at === undefined ? {} : { at }),
          ...(fingerprint === undefined ? {} : { fingerprint: fingerprint.id }),
        },
      })),
  );
}

/** Measured times to first token, by rising prompt length. */
export function ttftOf({ series }: BenchModelResult): readonly LengthFigure[] {
  return series
    .flatMap(({ metric, promptTokens, value, low, high }) =>
      metric === 'ttftMs' && promptTokens !== undefined ? [{ promptTokens, value, low, high }] : [],
    )
    .toSorted((a, b) => a.promptTokens - b.promptTokens);
}

/** Points of the sustained run, in order. */
export function sustainedOf({ samples }: BenchModelResult): readonly SustainedPoint[] {
  return (samples ?? []).flatMap((sample) =>
    sample.kind === 'sustained'
      ? [{ atMs: sample.atMs, decodeTokensPerSec: sample.decodeTokensPerSec, celsius: sample.celsius }]
      : [],
  );
}
