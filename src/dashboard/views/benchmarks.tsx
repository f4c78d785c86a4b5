import { formatShare, formatTokensPerSec } from '../../core/format.ts';
import { useGateway } from '../gateway-context.ts';
import { Origin, VerdictBadge } from '../parts/badge.tsx';
import { Title, Trouble } from '../parts/facts.tsx';
import { IntervalBars } from '../parts/interval-bars.tsx';
import { NoModels } from '../parts/no-models.tsx';
import { Table } from '../parts/table.tsx';
import { TtftPlot } from '../parts/ttft-plot.tsx';
import { NONE, showBytes, showMs } from '../show.ts';
import { useAnswer } from '../use-answer.ts';
import type { Model, Profiles } from '../wire.ts';

type Plot = {
  readonly metric: string;
  readonly title: string;
  readonly note: string;
  readonly show: (value: number) => string;
};

const QUALITY_NOTE = 'Share of test items answered right; more is better.';
const PLOTS: readonly Plot[] = [
  {
    metric: 'prefill_tokens_per_sec',
    title: 'Prefill',
    note: 'Reading the prompt; more is better.',
    show: formatTokensPerSec,
  },
  {
    metric: 'decode_tokens_per_sec',
    title: 'Decode',
    note: 'Producing the answer on an empty context; more is better.',
    show: formatTokensPerSec,
  },
  { metric: 'load_ms', title: 'Load', note: 'With the file in the page cache; less is better.', show: showMs },
  { metric: 'load_cold_ms', title: 'Load from storage', note: 'Less is better.', show: showMs },
  { metric: 'peak_memory_bytes', title: 'Peak memory', note: 'Of the process while it answers.', show: showBytes },
  ...['chat', 'qa', 'summarize', 'extract', 'rewrite', 'code', 'reasoning', 'creative'].map((task) => ({
    ...{ metric: `quality.${task}`, title: `Quality: ${task}`, note: QUALITY_NOTE, show: formatShare },
  })),
];

/** What was measured of every model, with intervals and where each figure is from. */
export function Benchmarks() {
  const { status } = useGateway();
  const { value, error } = useAnswer<Profiles>('router/profiles');
  const models = Object.entries(value?.profiles ?? {}).map(([model, figures]) => ({ model, figures }));
  const plots = PLOTS.map((plot) => ({
    ...plot,
    bars: models.flatMap(({ model, figures }) => {
      const figure = figures[plot.metric];
      return figure === undefined ? [] : [{ model, figure, isStale: (value?.stale[model]?.length ?? 0) > 0 }];
    }),
  })).filter(({ bars }) => bars.length > 0);
  return (
    <>
      <Title>Benchmarks</Title>
      <p class="soft">
        The figures that routing reckons with. <code>sluice bench</code> measures anew;{' '}
        <code>sluice report --html</code> writes tables and plots of whole runs.
      </p>
      <Trouble error={error} />
      {status.models.length === 0 ? <NoModels /> : <Verdicts models={status.models} />}
      {status.models.length > 0 && value !== undefined && plots.length === 0 && <p>No figures yet.</p>}
      <TtftPlot models={models} />
      <div class="plots">
        {plots.map(({ metric, ...plot }) => (
          <IntervalBars key={metric} {...plot} />
        ))}
      </div>
    </>
  );
}

const COLUMNS = [{ name: 'Model' }, { name: 'Verdict' }, { name: 'Why' }, { name: 'From' }, { name: 'Note' }];

function Verdicts({ models }: { readonly models: readonly Model[] }) {
  return (
    <>
      <h2>What each model is good for</h2>
      <Table caption="Verdicts" columns={COLUMNS}>
        {models.map(({ id, verdict, stale, quarantined, availability }) => (
          <tr key={id}>
            <th scope="row">{id}</th>
            <td>{verdict === null ? NONE : <VerdictBadge verdict={verdict.verdict} />}</td>
            <td class="wide">{verdict?.why ?? availability.reason ?? NONE}</td>
            <td>
              {verdict === null ? NONE : <Origin of={verdict.basis} />}
              {verdict?.provisional === true && ' provisional'}
            </td>
            <td class="wide">{[quarantined, ...stale].filter((text) => text !== null).join('; ')}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
