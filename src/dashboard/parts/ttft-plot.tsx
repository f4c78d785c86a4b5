import { useEffect, useRef, useState } from 'preact/hooks';
import { prefillMsOf } from '../../core/service-model.ts';
import { decades } from '../scale.ts';
import { showCount, showMs } from '../show.ts';
import type { Figure } from '../wire.ts';
import { Table } from './table.tsx';

/** A model's figures by metric. */
export type ModelFigures = { readonly model: string; readonly figures: Readonly<Record<string, Figure>> };

const PROMPTS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192];
const PROMPTS_IN_TABLE = [64, 512, 4096];
const HEIGHT = 300;
const EDGE = { left: 66, right: 24, top: 10, bottom: 34 };
const DASHES = ['', '7 4', '2 4', '10 4 2 4'];

/** Time to first token of a loaded model over the length of its prompt, from the fitted figures; both axes logarithmic. */
export function TtftPlot({ models }: { readonly models: readonly ModelFigures[] }) {
  const lines = models.flatMap(({ model, figures }) => {
    const msOf = ttftOf(figures);
    return msOf === undefined ? [] : [{ model, msOf }];
  });
  if (lines.length === 0) return null;
  return (
    <figure class="plot">
      <h3>Time to first token over prompt length</h3>
      <Picture lines={lines} />
      <ul class="legend" aria-hidden="true">
        {lines.map(({ model }, index) => (
          <li key={model}>
            <svg class={`series-${index % 8}`} width="28" height="8" aria-hidden="true">
              <path class="line" d="M0 4H28" stroke-dasharray={DASHES[index % DASHES.length]} />
            </svg>{' '}
            {model}
          </li>
        ))}
      </ul>
      <figcaption>
        Model loaded, nothing of the prompt in its cache, nobody before it; from the fitted figures below.
      </figcaption>
      <details>
        <summary>In numbers</summary>
        <Table
          caption="Time to first token by prompt length"
          columns={[
            { name: 'Model' },
            ...PROMPTS_IN_TABLE.map((tokens) => ({ name: `${tokens} tokens`, isFigure: true })),
          ]}
        >
          {lines.map(({ model, msOf }) => (
            <tr key={model}>
              <th scope="row">{model}</th>
              {PROMPTS_IN_TABLE.map((tokens) => (
                <td key={tokens} class="figure">
                  {showMs(msOf(tokens))}
                </td>
              ))}
            </tr>
          ))}
        </Table>
      </details>
    </figure>
  );
}

type Line = { readonly model: string; readonly msOf: (tokens: number) => number };

function ttftOf(figures: Readonly<Record<string, Figure>>): Line['msOf'] | undefined {
  const rate = figures['prefill_tokens_per_sec']?.value;
  if (rate === undefined || rate <= 0) return undefined;
  const service = {
    prefillFixedMs: figures['prefill_fixed_ms']?.value ?? 0,
    prefillMsPerToken: 1000 / rate,
    prefillContextMs: figures['prefill_context_ms']?.value ?? 0,
    ...{ decodeMsPerToken: 0, decodeContextMs: 0, loadMs: 0, loadColdMs: undefined, unloadMs: 0 },
  };
  return (tokens) => prefillMsOf(service, tokens);
}

function Picture({ lines }: { readonly lines: readonly Line[] }) {
  const [frame, width] = useWidth();
  const values = lines.flatMap(({ msOf }) => PROMPTS.map(msOf));
  const marks = decades(Math.min(...values), Math.max(...values));
  const x = (tokens: number) => EDGE.left + (width - EDGE.left - EDGE.right) * share(tokens, PROMPTS);
  const y = (ms: number) => HEIGHT - EDGE.bottom - (HEIGHT - EDGE.top - EDGE.bottom) * share(ms, marks);
  const promptMarks = PROMPTS.filter((_, index) => index % (width < 480 ? 3 : 1) === 0);
  return (
    <div ref={frame}>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} width={width} height={HEIGHT} role="img" aria-label={spoken(lines)}>
        {marks.map((ms) => (
          <g key={ms}>
            <path class="grid" d={`M${EDGE.left} ${y(ms)}H${width - EDGE.right}`} />
            <text x={EDGE.left - 8} y={y(ms) + 4} text-anchor="end">
              {axisText(ms)}
            </text>
          </g>
        ))}
        {promptMarks.map((tokens) => (
          <g key={tokens}>
            <path class="grid" d={`M${x(tokens)} ${EDGE.top}V${HEIGHT - EDGE.bottom}`} />
            <text x={x(tokens)} y={HEIGHT - EDGE.bottom + 16} text-anchor="middle">
              {showCount(tokens)}
            </text>
          </g>
        ))}
        <text x={width - EDGE.right} y={HEIGHT - 4} text-anchor="end">
          tokens in the prompt
        </text>
        {lines.map(({ model, msOf }, index) => (
          <g key={model} class={`series-${index % 8}`}>
            <path
              class="line"
              stroke-dasharray={DASHES[index % DASHES.length]}
              d={PROMPTS.map((tokens, place) => `${place === 0 ? 'M' : 'L'}${x(tokens)} ${y(msOf(tokens))}`).join('')}
            />
          </g>
        ))}
      </svg>
    </div>
  );
}

/** Decades stay decades on an axis: 1000 s, not 16 min 40 s. */
const axisText = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

/** Place of a value between the first and the last mark, logarithmic: 0 to 1. */
function share(value: number, marks: readonly number[]): number {
  const [first, last] = [marks[0] ?? 1, marks.at(-1) ?? 1];
  return first === last ? 0 : Math.log(value / first) / Math.log(last / first);
}

const spoken = (lines: readonly Line[]): string =>
  `Time to first token for a prompt of 512 tokens: ${lines.map(({ model, msOf }) => `${model} ${showMs(msOf(512))}`).join(', ')}`;

const WIDTH_FIRST = 600;
const WIDTH_MAX = 1340;

/** Width an element leaves for a picture, px, so that letters stay as large on a phone as anywhere. */
function useWidth() {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(WIDTH_FIRST);
  useEffect(() => {
    if (element.current === null) return undefined;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setWidth(Math.min(WIDTH_MAX, Math.floor(entry.contentRect.width)));
    });
    observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return [element, width] as const;
}
