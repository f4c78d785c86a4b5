import { useEffect, useState } from 'preact/hooks';
import { post } from '../api.ts';
import { Candidates } from '../parts/candidates.tsx';
import { Title, Trouble } from '../parts/facts.tsx';
import { showMs } from '../show.ts';
import type { Explanation } from '../wire.ts';

const CLASSES = ['route', 'interactive', 'quality', 'batch'] as const;
const SAMPLE = 'Explain in a few sentences what a sluice is and what it is used for.';

type Table = {
  readonly name: string;
  readonly explanation: Explanation | undefined;
  readonly error: Error | undefined;
};

/** What would be chosen for a sample request, class by class. Nothing is run for it. */
export function Routing() {
  const [prompt, setPrompt] = useState(SAMPLE);
  const [tokens, setTokens] = useState('200');
  const [tables, setTables] = useState<readonly Table[]>([]);
  const [isAsking, setIsAsking] = useState(false);
  const explain = async () => {
    setIsAsking(true);
    const max = Number(tokens);
    setTables(await Promise.all(CLASSES.map((name) => explainClass(name, { prompt, ...(max > 0 && { max }) }))));
    setIsAsking(false);
  };
  // Once for the sample; then whenever the button is pressed.
  useEffect(() => void explain(), []);
  return (
    <>
      <Title>Routing</Title>
      <p>Where this request would go in each class, as things stand. It is not run.</p>
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          void explain();
        }}
      >
        <label class="grow">
          Sample request
          <textarea rows={2} value={prompt} onInput={(event) => setPrompt(event.currentTarget.value)} />
        </label>
        <label>
          Tokens at most
          <input type="number" min="1" value={tokens} onInput={(event) => setTokens(event.currentTarget.value)} />
        </label>
        <button type="submit" disabled={isAsking}>
          Explain
        </button>
      </form>
      {tables.map((table) => (
        <ClassTable key={table.name} table={table} />
      ))}
    </>
  );
}

type Sample = { readonly prompt: string; readonly max?: number };

async function explainClass(name: string, { prompt, max }: Sample): Promise<Table> {
  const body = {
    model: `auto:${name}`,
    messages: [{ role: 'user', content: prompt }],
    ...(max !== undefined && { max_tokens: max }),
  };
  try {
    const response = await post('router/explain', body);
    return { name, explanation: (await response.json()) as Explanation, error: undefined };
  } catch (thrown) {
    return { name, explanation: undefined, error: thrown as Error };
  }
}

function ClassTable({ table: { name, explanation, error } }: { readonly table: Table }) {
  return (
    <section aria-label={`Class ${name}`}>
      <h2>{name}</h2>
      <Trouble error={error} />
      {explanation !== undefined && (
        <>
          <p class="soft">{targetsOf(explanation)}</p>
          <p class="reason">{explanation.chosen?.reason ?? explanation.refusal?.message ?? ''}</p>
          <Candidates
            caption={`Models for class ${name}`}
            candidates={explanation.candidates}
            chosen={explanation.chosen?.model}
          />
        </>
      )}
    </section>
  );
}

function targetsOf({ slo, task }: Explanation): string {
  const targets = [
    ...(slo.ttft_ms === null ? [] : [`first token within ${showMs(slo.ttft_ms)}`]),
    ...(slo.e2e_ms === null ? [] : [`whole answer within ${showMs(slo.e2e_ms)}`]),
    ...(slo.min_quality > 0 ? [`quality of ${slo.min_quality} at least`] : []),
  ];
  return `Task ${task}; targets: ${targets.join(', ') || 'none'}.`;
}
