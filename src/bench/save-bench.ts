import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { GatewayError, messageOf } from '../core/errors.ts';
import { modelId } from '../core/ids.ts';
import type { BenchRunRow, CoRunRow, FigureRow } from '../store/bench-tables.ts';
import type { Store } from '../store/open-store.ts';
import { machineKind } from './fingerprint.ts';
import type { BenchDocument } from './result.ts';

/** Where a run goes. */
export type BenchPlaces = {
  readonly store: Pick<Store, 'saveBenchRun'>;
  readonly directory: string;
  readonly provenance: BenchRunRow['provenance'];
};

/**
 * Stores a run in its JSON file first and then in SQLite; saving the same run again replaces both. Returns the file.
 * Throws `disk_full` or `store_failed` naming the file.
 */
export function saveBench(document: BenchDocument, places: BenchPlaces): string {
  const file = writeResultFile(document, places.directory);
  storeBench(document, places);
  return file;
}

/**
 * Writes a run's file below `directory` as `<kind of machine>/<date>-<end of the id>.json` and returns its path; the same
 * run always gives the same name and the same bytes. Throws `disk_full` or `store_failed` naming the file.
 */
export function writeResultFile(document: BenchDocument, directory: string): string {
  const file = join(directory, resultFileName(document));
  writeFileAtomically(file, `${JSON.stringify(document, undefined, 2)}\n`);
  return file;
}

/** Stores a run in SQLite alone, e.g. one imported from another board. */
export function storeBench(document: BenchDocument, places: Pick<BenchPlaces, 'store' | 'provenance'>): void {
  const { id, startedAt } = document;
  places.store.saveBenchRun(
    { id, startedAt, provenance: places.provenance, document: JSON.stringify(document) },
    {
      figures: figureRows(document),
      fingerprints: document.models.flatMap(({ fingerprint }) => fingerprint ?? []),
      coRuns: coRunRows(document),
    },
  );
}

/** Figures of a run as rows; models without a key (no file) have none. */
function figureRows(document: BenchDocument): readonly FigureRow[] {
  return document.models.flatMap(({ model, modelKey, fingerprint, figures }) =>
    modelKey === undefined
      ? []
      : figures.map((figure) => ({
          ...figure,
          model: modelId(model),
          modelKey,
          ...(fingerprint === undefined ? {} : { fingerprint: fingerprint.id }),
        })),
  );
}

function coRunRows(document: BenchDocument): readonly CoRunRow[] {
  return (document.pairs ?? []).flatMap((pair) =>
    pair.prefillFactor === undefined || pair.decodeFactor === undefined
      ? []
      : {
          modelKey: pair.modelKey,
          model: modelId(pair.model),
          withModel: modelId(pair.withModel),
          withDevice: pair.withDevice,
          prefillFactor: pair.prefillFactor.value,
          decodeFactor: pair.decodeFactor.value,
          n: pair.decodeFactor.n,
        },
  );
}

// e.g. `rk3588/2026-11-20-1a2b3c.json`
const resultFileName = (document: BenchDocument): string =>
  join(machineKind(document.machine), `${document.startedAt.slice(0, 10)}-${document.id.split('-').at(-1)}.json`);

/** Writes a file whole or not at all: a reader, or a crash, never meets half of it. */
function writeFileAtomically(file: string, text: string): void {
  const part = `${file}.part`;
  try {
    mkdirSync(dirname(file), { recursive: true });
    const descriptor = openSync(part, 'w');
    try {
      writeSync(descriptor, text);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(part, file);
  } catch (error) {
    const full = error instanceof Error && 'code' in error && error.code === 'ENOSPC';
    throw new GatewayError(full ? 'disk_full' : 'store_failed', `${file} cannot be written: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
