/** One line that says how things stand: written over on a terminal, a new line when something changed elsewhere. */
export interface StatusLine {
  /** A log file gets a text only where its `key` differs from the last one's. */
  show(text: string, key: string): void;
  /** A lasting line above the one in progress. */
  say(text: string): void;
  clear(): void;
}

/** A status line on `stream`, usually stderr, so that stdout holds the result alone. */
export function createStatusLine(stream: NodeJS.WriteStream): StatusLine {
  const erase = stream.isTTY ? '\r\x1b[K' : '';
  let last: string | undefined;
  return {
    show: (text, key) => {
      if (stream.isTTY) stream.write(`${erase}${text.slice(0, stream.columns - 1)}`);
      else if (key !== last) stream.write(`${text}\n`);
      last = key;
    },
    say: (text) => void stream.write(`${erase}${text}\n`),
    clear: () => void stream.write(erase),
  };
}
