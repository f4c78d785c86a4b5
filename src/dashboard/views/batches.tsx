import { Badge, type Tone } from '../parts/badge.tsx';
import { Title, Trouble } from '../parts/facts.tsx';
import { Table } from '../parts/table.tsx';
import { NONE, showCount, showTime } from '../show.ts';
import { useAnswer } from '../use-answer.ts';
import type { Batch } from '../wire.ts';

const ASK_EVERY_MS = 2000;
const COLUMNS = [
  { name: 'Batch' },
  { name: 'Status' },
  { name: 'Progress' },
  { name: 'Failed', isFigure: true },
  { name: 'Now' },
  { name: 'Expected end' },
  { name: 'Deadline' },
  { name: 'Models planned' },
  { name: 'Items per hour', isFigure: true },
  { name: 'Tokens in', isFigure: true },
  { name: 'Tokens out', isFigure: true },
];

/** Batches of whoever looks, newest first, with how far they are. */
export function Batches() {
  const { value, error } = useAnswer<{ readonly data: readonly Batch[] }>('v1/batches?limit=100', ASK_EVERY_MS);
  return (
    <>
      <Title>Batches</Title>
      <p class="soft">Batches belong to the client whose key made them; these are yours.</p>
      <Trouble error={error} />
      {value?.data.length === 0 && (
        <p>
          No batch. <code>sluice batch submit FILE</code> hands one in.
        </p>
      )}
      {value !== undefined && value.data.length > 0 && (
        <Table caption="Batches, newest first" columns={COLUMNS}>
          {value.data.map((batch) => (
            <Row key={batch.id} batch={batch} />
          ))}
        </Table>
      )}
    </>
  );
}

const STATUSES: Readonly<Record<string, Tone>> = {
  completed: 'good',
  in_progress: 'best',
  failed: 'bad',
  expired: 'bad',
};

function Row({ batch }: { readonly batch: Batch }) {
  const { request_counts: counts, x_router: outlook } = batch;
  const finished = counts.completed + counts.failed;
  const end = outlook.predicted_finish;
  return (
    <tr>
      <th scope="row">
        {batch.id} <span class="soft">{showTime(batch.created_at * 1000)}</span>
      </th>
      <td>
        <Badge tone={STATUSES[batch.status] ?? 'plain'} text={batch.status} />
      </td>
      <td>
        <progress max={Math.max(1, counts.total)} value={finished} aria-label={`Progress of ${batch.id}`} /> {finished}{' '}
        of {counts.total}
      </td>
      <td class="figure">{counts.failed}</td>
      <td class="wide">{outlook.paused ?? outlook.state ?? NONE}</td>
      <td>
        {showTime(end)}
        {typeof end === 'string' && outlook.promised === false && ' (not promised)'}
      </td>
      <td>{batch.expires_at === null ? NONE : showTime(batch.expires_at * 1000)}</td>
      <td class="wide">{plannedText(outlook.planned)}</td>
      <td class="figure">{showCount(outlook.items_per_hour)}</td>
      <td class="figure">{showCount(batch.usage.input_tokens)}</td>
      <td class="figure">{showCount(batch.usage.output_tokens)}</td>
    </tr>
  );
}

function plannedText(planned: Readonly<Record<string, number>> = {}): string {
  const texts = Object.entries(planned).map(([model, count]) => `${model}: ${count}`);
  return texts.length === 0 ? NONE : texts.join(', ');
}
