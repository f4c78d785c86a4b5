import type { FeedItem } from '../feed.ts';
import { useGateway } from '../gateway-context.ts';
import { Badge, ChildState, VerdictBadge } from '../parts/badge.tsx';
import { Facts, Title } from '../parts/facts.tsx';
import { MemoryMeter } from '../parts/memory-meter.tsx';
import { NoModels } from '../parts/no-models.tsx';
import { Table } from '../parts/table.tsx';
import { NONE, showBytes, showMs, showTime } from '../show.ts';
import type { GatewayEvent, Lane, LaneEntry, Model } from '../wire.ts';

const ITEMS_SHOWN = 12;

/** Lanes with their queues, children with their memory, and what has just happened. */
export function Live() {
  const { status, items } = useGateway();
  const waiting = status.lanes.reduce((sum, lane) => sum + lane.waiting.length, 0);
  const loaded = status.models.filter(({ state }) => state.kind === 'ready' || state.kind === 'busy').length;
  return (
    <>
      <Title>Live</Title>
      <Facts
        facts={[
          ['Requests under way', status.requests_active],
          ['Waiting', waiting],
          ['Models loaded', `${loaded} of ${status.models.length}`],
          ['Up for', showMs(status.uptime_s * 1000)],
        ]}
      />
      {status.policy.error !== null && (
        <p class="trouble">
          The policy file as it is now is not in force. <a href="#/policy">What is wrong with it</a>
        </p>
      )}
      <NothingUsable models={status.models} />
      <h2>Lanes</h2>
      <div class="cards">
        {status.lanes.map((lane) => (
          <LaneCard key={lane.device} lane={lane} />
        ))}
      </div>
      <h2>Memory</h2>
      <MemoryMeter status={status} />
      <h2>Models</h2>
      {status.models.length === 0 ? <NoModels /> : <Models models={status.models} />}
      <h2>Just now</h2>
      {items.length === 0 && <p class="soft">Nothing has happened since this page was opened.</p>}
      <ol class="log">
        {items.slice(0, ITEMS_SHOWN).map((item) => (
          <li key={item.kind === 'request' ? item.request.request_id : `${item.atMs} ${textOf(item)}`}>
            <time>{showTime(item.atMs)}</time> {textOf(item)}
            {item.kind === 'request' && <RequestLink id={item.request.request_id} />}
          </li>
        ))}
      </ol>
    </>
  );
}

/** What a new gateway, or one whose files are gone, has to be told of first. */
function NothingUsable({ models }: { readonly models: readonly Model[] }) {
  if (models.some(({ availability }) => availability.kind === 'available')) return null;
  return (
    <p class="trouble">
      No model can be used, so every request is refused. <a href="#/doctor">What is in the way</a>
    </p>
  );
}

function LaneCard({ lane }: { readonly lane: Lane }) {
  const { device, lanes, running, waiting } = lane;
  return (
    <section class="card" aria-label={`Lane ${device}`}>
      <h3>
        {device}{' '}
        <Badge
          tone={running.length > 0 ? 'best' : 'plain'}
          text={running.length > 0 ? `${running.length} of ${lanes} running` : 'idle'}
        />
      </h3>
      <Entries name="Running" entries={running} times="left" />
      <Entries name="Waiting" entries={waiting} times="once it runs" />
    </section>
  );
}

type EntriesProps = {
  readonly name: string;
  readonly entries: readonly LaneEntry[];
  /** What the time beside each is. */
  readonly times: string;
};

function Entries({ name, entries, times }: EntriesProps) {
  if (entries.length === 0) return <p class="soft">{name}: nothing</p>;
  return (
    <>
      <p class="soft">
        {name}: {entries.length}
      </p>
      <ol class="entries">
        {entries.map((entry, index) => (
          <li key={index}>
            {entry.class} on {entry.model}{' '}
            <span class="soft">
              {showMs(entry.remaining_ms)} {times}
            </span>
          </li>
        ))}
      </ol>
    </>
  );
}

const MODEL_COLUMNS = [
  { name: 'Model' },
  { name: 'State' },
  { name: 'Device' },
  { name: 'Running', isFigure: true },
  { name: 'Memory now', isFigure: true },
  { name: 'Reckoned with', isFigure: true },
  { name: 'Last load', isFigure: true },
  { name: 'Restarts', isFigure: true },
  { name: 'Good for' },
  { name: 'Note' },
];

function Models({ models }: { readonly models: readonly Model[] }) {
  return (
    <Table caption="Models and their processes" columns={MODEL_COLUMNS}>
      {models.map((model) => (
        <tr key={model.id}>
          <th scope="row">{model.id}</th>
          <td>
            <ChildState {...model.state} />
          </td>
          <td>
            {model.device ?? NONE}
            {model.simulated && ' (simulated)'}
          </td>
          <td class="figure">
            {model.running} of {model.parallel}
          </td>
          <td class="figure">{showBytes(model.rss_bytes)}</td>
          <td class="figure">{showBytes(model.memory_bytes)}</td>
          <td class="figure">{showMs(model.last_load_ms)}</td>
          <td class="figure">{model.restarts}</td>
          <td>{model.verdict === null ? NONE : <VerdictBadge verdict={model.verdict.verdict} />}</td>
          <td class="wide">{noteOf(model)}</td>
        </tr>
      ))}
    </Table>
  );
}

function noteOf({ availability, quarantined, state, stale }: Model): string {
  if (availability.kind !== 'available') return [availability.reason, availability.remedy].filter(Boolean).join('; ');
  if (state.reason !== undefined) return state.reason;
  if (quarantined !== null) return `quarantined: ${quarantined}`;
  return stale.length > 0 ? `figures are stale: ${stale.join(', ')}` : '';
}

function RequestLink({ id }: { readonly id: string }) {
  return (
    <>
      {' '}
      <a href={`#/requests/${encodeURIComponent(id)}`}>{id}</a>
    </>
  );
}

function textOf(item: FeedItem): string {
  if (item.kind === 'event') return eventText(item.event);
  const { class: name, model, outcome, actual } = item.request;
  const where = model === null ? 'no model' : model;
  const took = actual.e2e_ms === undefined ? '' : ` in ${showMs(actual.e2e_ms)}`;
  return `${name} request on ${where}: ${outcome.kind}${took}`;
}

function eventText(event: GatewayEvent): string {
  switch (event.kind) {
    case 'child.state':
      return `${event.model}: ${event.from} → ${event.to}${event.detail ? ` (${event.detail})` : ''}`;
    case 'child.evicted':
      return `${event.model} made room for ${event.for}`;
    case 'policy.loaded':
      return `policy ${event.revision} is in force`;
    case 'policy.rejected':
      return `a changed policy was rejected: ${event.message}`;
    case 'request.retried':
      return `a request went from ${event.from} to ${event.to}: ${event.cause}`;
    case 'request.preempted':
      return `${event.model} made way for a request of class ${event.by}`;
    case 'request.looped':
      return `${event.model} repeated itself and was broken off`;
    default:
      return event.message ?? event.kind;
  }
}
