import type { BenchProgress } from '../bench/bench-target.ts';
import { formatDurationMs } from '../core/format.ts';

/** Where progress goes: one line that is written over on a terminal, one line per model's step elsewhere. */
export interface ProgressLine {
  show(progress: BenchProgress): void;
  /** A lasting line above the one in progress. */
  say(text: string): void;
  clear(): void;
}

/** A progress line on `stream`, usually stderr, so that stdout holds the result alone. */
export function createProgressLine(stream: NodeJS.WriteStream): ProgressLine {
  const erase = stream.isTTY ? '\r\x1b[K' : '';
  let last = '';
  return {
    show: ({ model, step, done, total, etaMs }) => {
      const left = etaMs === undefined ? '' : `, ${formatDurationMs(etaMs)} left`;
      const text = `${model}: ${step} (${done}/${total}${left})`;
      if (stream.isTTY) stream.write(`${erase}${text.slice(0, stream.columns - 1)}`);
      // A log file gets a line per kind of step, not per repetition.
      else if (`${model}${firstWord(step)}` !== last) stream.write(`${text}\n`);
      last = `${model}${firstWord(step)}`;
    },
    say: (text) => void stream.write(`${erase}${text}\n`),
    clear: () => void stream.write(erase),
  };
}

const firstWord = (text: string): string => text.split(' ')[0] ?? '';
