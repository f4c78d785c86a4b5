import { showBytes } from '../show.ts';
import type { Model, Status } from '../wire.ts';

/** Children that hold memory. */
const HOLDING: ReadonlySet<string> = new Set(['starting', 'loading', 'ready', 'busy', 'draining']);

/** Memory of the children against the budget: a bar for the eye, the same in words for everybody. */
export function MemoryMeter({ status }: { readonly status: Status }) {
  const { budget_bytes: budget } = status.memory;
  const held = status.models.filter(({ state }) => HOLDING.has(state.kind));
  const used = held.reduce((sum, model) => sum + bytesOf(model), 0);
  return (
    <div class="memory">
      <p>
        <strong>{showBytes(used)}</strong> of {showBytes(budget)} are held by {held.length}{' '}
        {held.length === 1 ? 'model' : 'models'}; the gateway itself uses {showBytes(status.memory.gateway_rss_bytes)}.
      </p>
      <div class="meter" aria-hidden="true">
        {held.map((model, index) => (
          <span
            key={model.id}
            class={`part series-${index % 8}`}
            title={`${model.id}: ${showBytes(bytesOf(model))}`}
            style={{ width: `${(100 * bytesOf(model)) / Math.max(budget, used, 1)}%` }}
          />
        ))}
      </div>
      <ul class="legend">
        {held.map((model, index) => (
          <li key={model.id}>
            <span class={`dot series-${index % 8}`} aria-hidden="true" /> {model.id} {showBytes(bytesOf(model))}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** What is reckoned with is what may be needed; what is used now may be less. */
const bytesOf = (model: Model): number => Math.max(model.memory_bytes ?? 0, model.rss_bytes ?? 0);
