import { formatBytes } from '../core/format.ts';
import type { encodeModels } from '../http/status.ts';

type EncodedModel = ReturnType<typeof encodeModels>[number];

/** Columns of {@link modelRow}. */
export const MODEL_HEADER = ['model', 'device', 'verdict', 'quality', 'state', 'memory', 'pid', 'note'];

/** One model as a row of a table; the note says why it cannot be used and what to do. */
export function modelRow(model: EncodedModel): readonly string[] {
  const { availability, state } = model;
  const usable = availability.kind === 'available';
  const trouble = state.reason ?? '';
  return [
    model.id,
    model.device ?? '',
    model.verdict?.verdict ?? '',
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

/** What stands behind the verdict, then what is wrong with the figures or the child. */
function noteOf({ simulated, verdict, quarantined, stale }: EncodedModel, trouble: string): string {
  const from = verdict === null || verdict.basis === 'measured' ? '' : ` (${verdict.basis})`;
  const parts = [
    simulated ? 'SIMULATED' : '',
    trouble,
    quarantined === null ? '' : `quarantined: ${quarantined}`,
    stale.length === 0 ? '' : `stale: ${stale.join(', ')}`,
    verdict === null ? '' : `${verdict.why}${from}`,
    verdict?.provisional === true ? 'provisional: fewer than five samples' : '',
  ];
  return parts.filter((part) => part !== '').join('; ');
}
