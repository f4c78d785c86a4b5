import { Badge, type Tone } from '../parts/badge.tsx';
import { Facts, Title, Trouble } from '../parts/facts.tsx';
import { NONE, showCount, showTime } from '../show.ts';
import { useAnswer } from '../use-answer.ts';
import type { Batch } from '../wire.ts';

const ASK_EVERY_MS = 2000;
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
      {value?.data.map((batch) => (
        <BatchCard key={batch.id} batch={batch} />
      ))}
    </>
  );
}

const STATUSES: Readonly<Record<string, Tone>> = {
  completed: 'good',
  in_progress: 'best',
  failed: 'bad',
  expired: 'bad',
};

function BatchCard({ batch }: { readonly batch: Batch }) {
  const { request_counts: counts, x_router: outlook, id } = batch;
  const finished = counts.completed + counts.failed;
  const promise = outlook.promised === false && typeof outlook.predicted_finish === 'string' ? ' (not promised)' : '';
  return (
    <article class="card item" aria-label={id}>
      <h2>
        <Badge tone={STATUSES[batch.status] ?? 'plain'} text={batch.status.replaceAll('_', ' ')} /> {id}
      </h2>
      <p>
        <progress max={Math.max(1, counts.total)} value={finished} aria-label={`Progress of ${id}`} /> {finished} of{' '}
        {counts.total}
        {counts.failed > 0 && `, ${counts.failed} failed`}
      </p>
      <p>{outlook.paused ?? outlook.state}</p>
      <Facts
        facts={[
          ['Handed in', showTime(batch.created_at * 1000)],
          ['Expected end', `${showTime(outlook.predicted_finish)}${promise}`],
          ['Deadline', batch.expires_at === null ? NONE : showTime(batch.expires_at * 1000)],
          ['Models planned', plannedText(outlook.planned)],
          ['Items per hour', showCount(outlook.items_per_hour)],
          ['Tokens', `${showCount(batch.usage.input_tokens)} in, ${showCount(batch.usage.output_tokens)} out`],
        ]}
      />
    </article>
  );
}

function plannedText(planned: Readonly<Record<string, number>> = {}): string {
  const texts = Object.entries(planned).map(([model, count]) => `${model}: ${count}`);
  return texts.length === 0 ? NONE : texts.join(', ');
}
