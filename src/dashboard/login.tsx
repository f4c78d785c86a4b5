import { useState } from 'preact/hooks';
import { Title } from './parts/facts.tsx';

/** Asks for a key. It stays in this tab and goes nowhere but to the gateway. */
export function Login({
  problem,
  onKey,
}: {
  readonly problem: string | undefined;
  readonly onKey: (key: string) => void;
}) {
  const [key, setKey] = useState('');
  return (
    <main id="main" class="login">
      <Title>Sluice</Title>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() !== '') onKey(key.trim());
        }}
      >
        <label>
          API key
          <input
            type="password"
            autocomplete="off"
            spellcheck={false}
            value={key}
            aria-describedby="key-note"
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <p id="key-note" class="soft">
          The same key as for the API. It is kept until this tab is closed.
        </p>
        <div role="alert">{problem !== undefined && <p class="trouble">{problem}</p>}</div>
        <button type="submit">Log in</button>
      </form>
    </main>
  );
}
