import { join } from 'node:path';
import { readMachine } from '../bench/fingerprint.ts';
import { importPerplexity } from '../bench/import-perplexity.ts';
import type { Series } from '../bench/metrics/metric.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { packageVersion } from '../core/package-root.ts';
import type { ModelPolicy, Policy } from '../core/policy.ts';
import { openStore } from '../store/open-store.ts';

/**
 * `sluice bench MODEL --import-perplexity FILE`: takes llama-perplexity's output over and prints what was in it. Needs no
 * lock: SQLite keeps the two apart, and a running gateway picks the figures up by itself.
 */
export function importPerplexityFile(
  file: string,
  { policy, models }: { readonly policy: Policy; readonly models: readonly ModelPolicy[] },
  options: { readonly data: string; readonly json?: true },
): void {
  const [model, ...others] = models;
  const runtime = model && policy.runtimes.get(model.runtime);
  if (model === undefined || runtime === undefined || others.length > 0) {
    throw new GatewayError('usage', '--import-perplexity takes one model: sluice bench MODEL --import-perplexity FILE');
  }
  const store = openStore(join(options.data, 'sluice.db'), { clock: systemClock });
  try {
    const places = { store, machine: readMachine(), model, runtime, sluiceVersion: packageVersion() };
    const { document, isKnown } = importPerplexity(file, places);
    const series = document.models[0]?.series ?? [];
    if (options.json) {
      const outcome = isKnown ? 'known' : 'imported';
      console.log(JSON.stringify({ id: document.id, outcome, model: model.id, series }, null, 2));
    } else {
      console.log(`${model.id}: ${series.map(figureText).join(', ')}`);
      console.log(isKnown ? `${document.id} is known here already; nothing changed` : `taken over as ${document.id}`);
    }
  } finally {
    store.close();
  }
}

function figureText({ metric, value, low, high }: Series): string {
  if (metric === 'sameTopToken') return `the same first choice for ${(100 * value).toFixed(1)} % of tokens`;
  if (metric === 'klDivergence') return `divergence ${value.toPrecision(3)} nats per token`;
  return `perplexity ${value.toPrecision(5)} (${low?.toPrecision(5)} to ${high?.toPrecision(5)})`;
}
