import type { BenchProgress } from '../bench/bench-target.ts';
import { formatDurationMs } from '../core/format.ts';
import { createStatusLine } from './status-line.ts';

/** Where progress goes: one line that is written over on a terminal, one line per model's step elsewhere. */
export interface ProgressLine {
  show(progress: BenchProgress): void;
  /** A lasting line above the one in progress. */
  say(text: string): void;
  clear(): void;
}

/** A progress line on `stream`, usually stderr, so that stdout holds the result alone. */
export function createProgressLine(stream: NodeJS.WriteStream): ProgressLine {
  const line = createStatusLine(stream);
  return {
    show: ({ model, step, done, total, etaMs }) => {
      const left = etaMs === undefined ? '' : `, ${formatDurationMs(etaMs)} left`;
      // A log file gets a line per kind of step, not per repetition.
      line.show(`${model}: ${step} (${done}/${total}${left})`, `${model}${firstWord(step)}`);
    },
    say: line.say,
    clear: line.clear,
  };
}

const firstWord = (text: string): string => text.split(' ')[0] ?? '';
