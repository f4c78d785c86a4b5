import { type Scale, scaleOf } from '../scale.ts';
import { NONE } from '../show.ts';
import type { Figure } from '../wire.ts';
import { Origin } from './badge.tsx';
import { Table } from './table.tsx';

/** One model's figure. */
export type Bar = { readonly model: string; readonly figure: Figure; readonly isStale: boolean };

type IntervalBarsProps = {
  readonly title: string;
  readonly note: string;
  readonly bars: readonly Bar[];
  readonly show: (value: number) => string;
};

const COLUMNS = [
  { name: 'Model' },
  { name: 'Plot' },
  { name: 'Median [95 % interval]', isFigure: true },
  { name: 'n', isFigure: true },
  { name: 'From' },
];

/** A figure of every model as a bar with its interval, and the same in numbers beside it. */
export function IntervalBars({ title, note, bars, show }: IntervalBarsProps) {
  const scale = scaleOf(bars.flatMap(({ figure }) => [figure.value, figure.low ?? figure.value, figure.high ?? 0]));
  return (
    <figure class="bars">
      <h3>{title}</h3>
      <Table caption={title} columns={COLUMNS}>
        {bars.map(({ model, figure, isStale }, index) => (
          <tr key={model}>
            <th scope="row">{model}</th>
            <td class="drawn">
              <BarPicture figure={figure} scale={scale} series={index % 8} />
            </td>
            <td class="figure">{withInterval(figure, show)}</td>
            <td class="figure">{figure.n === 0 ? NONE : figure.n}</td>
            <td title={figure.source}>
              <Origin of={figure.provenance} />
              {isStale && ' stale'}
            </td>
          </tr>
        ))}
      </Table>
      <figcaption>
        {note}
        {scale.isLogarithmic && ` Bars are on a logarithmic scale from ${show(scale.from)}.`}
      </figcaption>
    </figure>
  );
}

type BarPictureProps = { readonly figure: Figure; readonly scale: Scale; readonly series: number };

function BarPicture({ figure, scale, series }: BarPictureProps) {
  const { value, low, high } = figure;
  const at = (one: number) => 200 * scale.share(one);
  return (
    <svg class={`bar series-${series}`} viewBox="0 0 200 16" preserveAspectRatio="none" aria-hidden="true">
      <rect class="track" x="0" y="2" width="200" height="12" />
      <rect class="value" x="0" y="2" width={Math.max(1, at(value))} height="12" />
      {low !== undefined && high !== undefined && (
        <path
          class="whisker"
          vector-effect="non-scaling-stroke"
          d={`M${at(low)} 8H${at(high)}M${at(low)} 4v8M${at(high)} 4v8`}
        />
      )}
    </svg>
  );
}

function withInterval({ value, low, high }: Figure, show: (value: number) => string): string {
  return low === undefined || high === undefined
    ? show(value)
    : `${show(value)} [${bare(low, show)}, ${bare(high, show)}]`;
}

/** Without the unit, where it is the one of rates, which never changes. */
const bare = (value: number, show: (value: number) => string): string => show(value).replace(' tok/s', '');
