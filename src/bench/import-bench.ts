import { readFileSync } from 'node:fs';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Store } from '../store/open-store.ts';
import { type BenchDocument, benchDocumentSchema, type Machine } from './result.ts';
import { storeBench } from './save-bench.ts';

/**
 * Takes a result file of another board of the same kind into the store, with provenance `imported`. A figure applies
 * here to a model whose file has the same content and whose settings are the same (the model key says so).
 * A run that was measured on this machine, or imported before, is left as it is: `imported: false`.
 * Throws `invalid_config` for a file that is no result, or one of another kind of machine.
 */
export function importBench(
  file: string,
  places: { readonly store: Pick<Store, 'benchRuns' | 'saveBenchRun'>; readonly machine: Machine },
): { readonly document: BenchDocument; readonly imported: boolean } {
  const document = readBenchFile(file);
  const theirs = kindOf(document.machine);
  const ours = kindOf(places.machine);
  if (theirs !== ours) {
    throw new GatewayError(
      'invalid_config',
      `${file} was measured on ${theirs}, this machine is ${ours}: its figures would not hold here; run sluice bench instead`,
    );
  }
  if (places.store.benchRuns().some((run) => run.id === document.id)) return { document, imported: false };
  storeBench(document, { store: places.store, provenance: 'imported' });
  return { document, imported: true };
}

/** A result file's document. Throws `invalid_config` naming the file where it is none. */
export function readBenchFile(file: string): BenchDocument {
  try {
    return benchDocumentSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    throw new GatewayError('invalid_config', `${file} is no result of sluice bench: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** What makes two machines of one kind: the SoC, or else the processor and how many of them. */
const kindOf = (machine: Machine): string =>
  machine.soc ??
  [machine.cpuModel ?? machine.architecture, machine.cpus].filter((part) => part !== undefined).join(', CPUs ');
