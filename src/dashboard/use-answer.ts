import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { getJson } from './api.ts';
import { whileSeen } from './clock.ts';

/** The last answer to a question that is asked again and again, and what went wrong with the last time of asking. */
export type Answer<Form> = {
  readonly value: Form | undefined;
  readonly error: Error | undefined;
  /** True while a question is under way. */
  readonly isAsking: boolean;
  /** Asks now; at most one question is under way, and what changed meanwhile is asked for after it. */
  readonly refresh: () => void;
};

/** Asks for a path at once, every `everyMs` while the page is seen (0 = never again by itself), and on `refresh`. */
export function useAnswer<Form>(path: string, everyMs = 0): Answer<Form> {
  const [value, setValue] = useState<Form>();
  const [error, setError] = useState<Error>();
  const [isAsking, setIsAsking] = useState(true);
  const running = useRef(false);
  const again = useRef(false);
  const refresh = useCallback(async () => {
    again.current = running.current;
    if (running.current) return;
    running.current = true;
    setIsAsking(true);
    do {
      again.current = false;
      try {
        setValue(await getJson<Form>(path));
        setError(undefined);
      } catch (thrown) {
        setError(thrown as Error);
      }
    } while (again.current);
    running.current = false;
    setIsAsking(false);
  }, [path]);
  useEffect(() => {
    void refresh();
    return everyMs > 0 ? whileSeen(everyMs, () => void refresh()) : undefined;
  }, [refresh, everyMs]);
  return { value, error, isAsking, refresh };
}
