import { useCallback, useEffect, useState } from 'preact/hooks';
import { ApiError, getJson, givenKey, keepKey } from './api.ts';
import { Login } from './login.tsx';
import { Session } from './session.tsx';

type Door =
  | { readonly kind: 'asking' }
  | { readonly kind: 'open' }
  | { readonly kind: 'locked'; readonly problem: string | undefined }
  | { readonly kind: 'away'; readonly problem: string };

/** Finds out whether a key is needed, asks for it, and shows the gateway. */
export function App() {
  const [door, setDoor] = useState<Door>({ kind: 'asking' });
  const knock = useCallback(async () => {
    try {
      await getJson('router/status');
      setDoor({ kind: 'open' });
    } catch (thrown) {
      setDoor(doorFor(thrown as Error));
    }
  }, []);
  useEffect(() => void knock(), [knock]);
  const lock = useCallback(() => {
    keepKey(undefined);
    setDoor({ kind: 'locked', problem: undefined });
  }, []);
  switch (door.kind) {
    case 'asking':
      return <p class="soft">Asking the gateway …</p>;
    case 'open':
      return <Session onLocked={lock} />;
    case 'locked':
      return (
        <Login
          problem={door.problem}
          onKey={(key) => {
            keepKey(key);
            void knock();
          }}
        />
      );
    case 'away':
      return (
        <main id="main" class="login">
          <h1>Sluice</h1>
          <p class="trouble" role="alert">
            {door.problem}
          </p>
          <button type="button" onClick={() => void knock()}>
            Try again
          </button>
        </main>
      );
  }
}

/** Without a key given there is nothing wrong yet. */
function doorFor(error: Error): Door {
  if (!(error instanceof ApiError) || error.status !== 401) return { kind: 'away', problem: error.message };
  const problem = givenKey() === undefined ? undefined : error.message;
  keepKey(undefined);
  return { kind: 'locked', problem };
}
