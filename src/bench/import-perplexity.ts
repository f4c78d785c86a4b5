import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { ModelPolicy, RuntimePolicy } from '../core/policy.ts';
import { modelKey } from '../store/model-key.ts';
import type { Store } from '../store/open-store.ts';
import { perplexitySeries } from './metrics/perplexity.ts';
import { parsePerplexity } from './quality/parse-perplexity.ts';
import { type BenchDocument, type Machine, RESULT_SCHEMA } from './result.ts';
import { storeBench } from './save-bench.ts';

/** Where figures of llama-perplexity go and whose they are. */
export type PerplexityPlaces = {
  readonly store: Pick<Store, 'benchRuns' | 'saveBenchRun'>;
  readonly machine: Machine;
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy;
  readonly sluiceVersion: string;
};

/**
 * Takes the output of llama-perplexity into the store as a run of its own, provenance `imported`; the same output for the
 * same model is taken once. The figures are shown and never routed by. Throws `invalid_config` with `FILE:LINE` for an
 * output without figures, and `model_file_missing` where the model's own file cannot be read, because figures belong to
 * a file's content.
 */
export function importPerplexity(
  file: string,
  places: PerplexityPlaces,
): { readonly document: BenchDocument; readonly isKnown: boolean } {
  const { text, at } = read(file);
  const { model, store } = places;
  const key = modelKey(model);
  if (key === undefined) {
    throw new GatewayError(
      'model_file_missing',
      `${model.id}: ${model.file} cannot be read, and figures belong to a file`,
    );
  }
  const id = `perplexity-${createHash('sha256').update(`${key}\n${text}`).digest('hex').slice(0, 12)}`;
  const document = documentOf({ id, at, file, text, key }, places);
  const isKnown = store.benchRuns().some((run) => run.id === id);
  if (!isKnown) storeBench(document, { store, provenance: 'imported' });
  return { document, isKnown };
}

/** True for a run that {@link importPerplexity} made: it holds no times, so it is nobody's latest run. */
export const isPerplexityRun = (id: string): boolean => id.startsWith('perplexity-');

function read(file: string): { readonly text: string; readonly at: string } {
  try {
    return { text: readFileSync(file, 'utf8'), at: statSync(file).mtime.toISOString() };
  } catch (error) {
    throw new GatewayError('invalid_config', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

type Output = {
  readonly id: string;
  readonly at: string;
  readonly file: string;
  readonly text: string;
  readonly key: string;
};

function documentOf({ id, at, file, text, key }: Output, places: PerplexityPlaces): BenchDocument {
  const { model, runtime, machine, sluiceVersion } = places;
  const series = perplexitySeries(parsePerplexity(text, file));
  const source = `llama-perplexity, run ${id}`;
  return {
    kind: 'sluice-bench',
    schema: RESULT_SCHEMA,
    id,
    startedAt: at,
    finishedAt: at,
    sluiceVersion,
    repetitions: 1,
    settleMs: 0,
    machine,
    complete: true,
    models: [
      {
        model: model.id,
        runtime: model.runtime,
        device: runtime.device,
        runtimeKind: runtime.kind,
        outcome: 'measured',
        modelKey: key,
        settings: { ...model.settings },
        warnings: [],
        series,
        figures: series.map(({ metric, value, low, high, n }) => ({
          metric: metric as BenchDocument['models'][number]['figures'][number]['metric'],
          side: 'raw',
          value,
          n,
          low,
          high,
          source,
          at,
        })),
      },
    ],
  };
}
