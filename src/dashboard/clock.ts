/**
 * Runs `callback` every `everyMs`, as long as somebody looks: a page in a hidden tab asks the gateway nothing, because
 * its CPU belongs to the models. Runs once at once when the page is seen again. Returns what ends it.
 */
export function whileSeen(everyMs: number, callback: () => void): () => void {
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') callback();
  }, everyMs);
  const onSeen = () => {
    if (document.visibilityState === 'visible') callback();
  };
  document.addEventListener('visibilitychange', onSeen);
  return () => {
    clearInterval(timer);
    document.removeEventListener('visibilitychange', onSeen);
  };
}

/** Resolves after `delayMs`, or at once when the signal aborts. */
export function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, delayMs);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Wall clock of the browser, ms since 1970. */
export const nowMs = (): number => Date.now();
