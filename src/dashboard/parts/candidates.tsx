import { NONE, showMs } from '../show.ts';
import type { Candidate } from '../wire.ts';
import { Badge, Origin } from './badge.tsx';
import { Table } from './table.tsx';

const COLUMNS = [
  { name: 'Model' },
  { name: 'Result' },
  { name: 'First token', isFigure: true },
  { name: 'Whole answer', isFigure: true },
  { name: 'Wait + load', isFigure: true },
  { name: 'Quality', isFigure: true },
  { name: 'Figures' },
  { name: 'Why' },
];

/** Every model that was looked at for a request, with what was promised for it and why it was taken or not. */
export function Candidates({
  caption,
  candidates,
  chosen,
}: {
  readonly caption: string;
  readonly candidates: readonly Candidate[];
  readonly chosen: string | null | undefined;
}) {
  if (candidates.length === 0) return null;
  return (
    <Table caption={caption} columns={COLUMNS}>
      {candidates.map((candidate) => (
        <Row key={candidate.model} candidate={candidate} isChosen={candidate.model === chosen} />
      ))}
    </Table>
  );
}

function Row({ candidate, isChosen }: { readonly candidate: Candidate; readonly isChosen: boolean }) {
  const { model, device, predicted, feasible, quality, reason } = candidate;
  return (
    <tr class={isChosen ? 'chosen' : undefined}>
      <th scope="row">
        {model} <span class="soft">{device ?? ''}</span>
      </th>
      <td>
        {isChosen ? (
          <Badge tone="best" text="chosen" />
        ) : (
          <Badge tone={feasible ? 'good' : 'plain'} text={feasible ? 'feasible' : 'ruled out'} />
        )}
      </td>
      <td class="figure">{showMs(predicted?.ttft_ms)}</td>
      <td class="figure">{showMs(predicted?.e2e_ms)}</td>
      <td class="figure">{predicted === null ? NONE : showMs(predicted.wait_ms + predicted.load_ms)}</td>
      <td class="figure">{quality}</td>
      <td>{predicted === null ? NONE : <Origin of={predicted.basis} />}</td>
      <td class="wide">{isChosen ? firstClause(reason) : reason}</td>
    </tr>
  );
}

/** What was chosen is explained above the table, with what is said of the others. */
const firstClause = (reason: string): string => reason.split('; ')[0] ?? reason;
