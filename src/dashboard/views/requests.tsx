import { useState } from 'preact/hooks';
import { useGateway } from '../gateway-context.ts';
import { Badge, Origin, Outcome } from '../parts/badge.tsx';
import { Candidates } from '../parts/candidates.tsx';
import { Facts, Title, Trouble } from '../parts/facts.tsx';
import { Table } from '../parts/table.tsx';
import { NONE, showCount, showMs, showTime } from '../show.ts';
import { useAnswer } from '../use-answer.ts';
import type { Decision } from '../wire.ts';

const SHOWN_MAX = 200;

/** Finished requests, newest first, each with what was promised and what came of it. */
export function Requests() {
  const { items } = useGateway();
  const { value, error } = useAnswer<{ readonly decisions: readonly Decision[] }>(
    `router/decisions?limit=${SHOWN_MAX}`,
  );
  const [className, setClassName] = useState('');
  const [outcome, setOutcome] = useState('');
  const all = withNew(
    items.flatMap((item) => (item.kind === 'request' ? [item.request] : [])),
    value?.decisions ?? [],
  );
  const shown = all.filter(
    (one) => (className === '' || one.class === className) && (outcome === '' || one.outcome.kind === outcome),
  );
  return (
    <>
      <Title>Requests</Title>
      <p class="soft">What was asked is not kept, only how it went.</p>
      <div class="filters">
        <Choice name="Class" value={className} onChoose={setClassName} among={all.map((one) => one.class)} />
        <Choice name="Outcome" value={outcome} onChoose={setOutcome} among={all.map((one) => one.outcome.kind)} />
        <span class="soft" role="status">
          {shown.length} of {all.length} shown
        </span>
      </div>
      <Trouble error={error} />
      <Log requests={shown} />
    </>
  );
}

/** Requests told of since the list was asked for, and the list. */
function withNew(told: readonly Decision[], listed: readonly Decision[]): readonly Decision[] {
  const known = new Set(listed.map((one) => one.request_id));
  return [...told.filter((one) => !known.has(one.request_id)), ...listed].slice(0, SHOWN_MAX);
}

type ChoiceProps = {
  readonly name: string;
  readonly value: string;
  readonly onChoose: (value: string) => void;
  readonly among: readonly string[];
};

function Choice({ name, value, onChoose, among }: ChoiceProps) {
  return (
    <label>
      {name}{' '}
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        <option value="">all</option>
        {[...new Set(among)].toSorted().map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

const COLUMNS = [
  { name: 'Received' },
  { name: 'Class' },
  { name: 'Task' },
  { name: 'Model' },
  { name: 'Outcome' },
  { name: 'First token', isFigure: true },
  { name: 'Predicted first', isFigure: true },
  { name: 'Whole', isFigure: true },
  { name: 'Predicted whole', isFigure: true },
  { name: 'Tokens in', isFigure: true },
  { name: 'Tokens out', isFigure: true },
  { name: 'Client' },
];

function Log({ requests }: { readonly requests: readonly Decision[] }) {
  if (requests.length === 0) return <p>No request yet.</p>;
  return (
    <Table caption="Finished requests, newest first" columns={COLUMNS}>
      {requests.map((one) => (
        <tr key={one.request_id}>
          <th scope="row">
            <a href={`#/requests/${encodeURIComponent(one.request_id)}`}>{showTime(one.received_at)}</a>
          </th>
          <td>{one.class}</td>
          <td>{one.task}</td>
          <td>{one.model ?? NONE}</td>
          <td>
            <Outcome outcome={one.outcome} />
          </td>
          <td class="figure">{showMs(one.actual.ttft_ms)}</td>
          <td class="figure soft">{showMs(one.predicted?.ttft_ms)}</td>
          <td class="figure">{showMs(one.actual.e2e_ms)}</td>
          <td class="figure soft">{showMs(one.predicted?.e2e_ms)}</td>
          <td class="figure">{showCount(one.actual.prompt_tokens)}</td>
          <td class="figure">{showCount(one.actual.output_tokens)}</td>
          <td>{one.client}</td>
        </tr>
      ))}
    </Table>
  );
}

/** One finished request with the whole decision behind it. */
export function Request({ id }: { readonly id: string }) {
  const { value, error } = useAnswer<Decision>(`router/decisions/${encodeURIComponent(id)}`);
  return (
    <>
      <Title>Request</Title>
      <p>
        <a href="#/requests">All requests</a> · <code>{id}</code>
      </p>
      <Trouble error={error} />
      {value !== undefined && <Explained decision={value} />}
    </>
  );
}

/** Why a request went where it went, and what came of it. */
export function Explained({ decision }: { readonly decision: Decision }) {
  const { actual, predicted, outcome } = decision;
  return (
    <>
      <p class="reason">{decision.reason}</p>
      <Facts
        facts={[
          ['Outcome', <Outcome key="outcome" outcome={outcome} />],
          ['Model', decision.model ?? NONE],
          ['Class and task', `${decision.class}, ${decision.task}`],
          ['Targets', targetsOf(decision)],
          ['First token', `${showMs(actual.ttft_ms)}, predicted ${showMs(predicted?.ttft_ms)}`],
          ['Whole answer', `${showMs(actual.e2e_ms)}, predicted ${showMs(predicted?.e2e_ms)}`],
          ['Queue and load', `${showMs(actual.queue_ms)} and ${showMs(actual.load_ms)}`],
          [
            'Tokens',
            `${showCount(actual.prompt_tokens)} in (${showCount(actual.cached_tokens)} from the cache), ${showCount(actual.output_tokens)} out`,
          ],
          ['Figures', predicted === null ? NONE : <Origin key="basis" of={predicted.basis} />],
        ]}
      />
      {outcome.message !== undefined && <p class="trouble">{outcome.message}</p>}
      {decision.degraded && (
        <p>
          <Badge tone="fair" text="degraded" /> No model was predicted to meet the targets.
        </p>
      )}
      <h2>How it was classified</h2>
      <ul>
        {decision.reasons.map(({ rule, detail }) => (
          <li key={`${rule} ${detail}`}>
            <code>{rule}</code> {detail}
          </li>
        ))}
      </ul>
      <h2>Candidates</h2>
      <Candidates caption="Candidates" candidates={decision.candidates} chosen={decision.model} />
    </>
  );
}

function targetsOf({ slo }: Decision): string {
  if (slo === null) return NONE;
  const targets = [
    ...(slo.ttft_ms === null ? [] : [`first token ${showMs(slo.ttft_ms)}`]),
    ...(slo.e2e_ms === null ? [] : [`whole answer ${showMs(slo.e2e_ms)}`]),
  ];
  return targets.length === 0 ? 'none' : `${targets.join(', ')} (${slo.source})`;
}
