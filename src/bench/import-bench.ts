import { GatewayError } from '../core/errors.ts';
import type { Store } from '../store/open-store.ts';
import { readResultFile } from './read-result.ts';
import type { BenchDocument, Machine } from './result.ts';
import { storeBench } from './save-bench.ts';

/** `known`: the run was here already, and nothing changed. `updated`: it was, in an earlier state of the same run. */
export type ImportOutcome = 'imported' | 'updated' | 'known';

/**
 * Takes a result file of another board of the same kind into the store, with provenance `imported`. A figure applies
 * here to a model whose file has the same content and whose settings are the same (the model key says so).
 * A run that was measured on this machine, or imported before, is left as it is.
 * Throws `invalid_config` for a file that is no result, or one of another kind of machine.
 */
export function importBench(
  file: string,
  places: { readonly store: Pick<Store, 'benchRuns' | 'saveBenchRun'>; readonly machine: Machine },
): { readonly document: BenchDocument; readonly outcome: ImportOutcome } {
  const document = readResultFile(file);
  const theirs = kindOf(document.machine);
  const ours = kindOf(places.machine);
  if (theirs !== ours) {
    throw new GatewayError(
      'invalid_config',
      `${file} was measured on ${theirs}, this machine is ${ours}: its figures would not hold here; run sluice bench instead`,
    );
  }
  const known = places.store.benchRuns().find((run) => run.id === document.id);
  const isSame = known?.provenance === 'measured' || known?.document === JSON.stringify(document);
  if (isSame) return { document, outcome: 'known' };
  storeBench(document, { store: places.store, provenance: 'imported' });
  return { document, outcome: known === undefined ? 'imported' : 'updated' };
}

/** What makes two machines of one kind: the SoC, or else the processor and how many of them. */
const kindOf = (machine: Machine): string =>
  machine.soc ??
  [machine.cpuModel ?? machine.architecture, machine.cpus].filter((part) => part !== undefined).join(', CPUs ');
