import { formatBytes } from '../core/format.ts';
import type { encodeModels } from '../http/status.ts';

type EncodedModel = ReturnType<typeof encodeModels>[number];

/** Columns of {@link modelRow}. */
export const MODEL_HEADER = ['model', 'device', 'quality', 'state', 'memory', 'pid', 'note'];

/** One model as a row of a table; the note says why it cannot be used and what to do. */
export function modelRow(model: EncodedModel): readonly string[] {
  const { availability, state } = model;
  const usable = availability.kind === 'available';
  const trouble = state.reason ?? '';
  return [
    model.id,
    model.device ?? '',
    model.quality.toFixed(2),
    usable ? state.kind : 'unavailable',
    model.memory_bytes === null ? '' : formatBytes(memoryOf(model, model.memory_bytes)),
    model.pid === null ? '' : String(model.pid),
    availability.kind === 'unavailable' ? `${availability.reason}; ${availability.remedy}` : noteOf(model, trouble),
  ];
}

// The process of a simulated model is small; what counts is what the model would take on its board.
const memoryOf = ({ simulated, rss_bytes }: EncodedModel, memoryBytes: number): number =>
  simulated ? memoryBytes : (rss_bytes ?? memoryBytes);

const noteOf = ({ simulated }: EncodedModel, trouble: string): string =>
  simulated ? ['SIMULATED', trouble].filter((part) => part !== '').join(': ') : trouble;
