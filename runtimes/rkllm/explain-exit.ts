import type { ExitExplanation } from '../../src/core/runtime.ts';
import { parseLogLine } from './files/parse-log.ts';

const WORKER = /^E worker: (.*)$/;

/**
 * What the last lines of a worker that ended while loading mean: the library's own error where it printed one, else
 * the worker's. Undefined where neither said anything, as after a crash.
 */
export function explainExit(lastLines: readonly string[]): ExitExplanation | undefined {
  for (const line of lastLines) {
    const fact = parseLogLine(line);
    if (fact?.kind !== 'problem' || fact.severity !== 'error') continue;
    return { reason: `librkllmrt says: ${fact.message}; ${fact.remedy}`, permanent: fact.permanent };
  }
  const own = lastLines.map((line) => WORKER.exec(line)?.[1]).findLast((text) => text !== undefined);
  return own === undefined ? undefined : { reason: own, permanent: false };
}
