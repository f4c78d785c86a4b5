import type { CrashOptions, CrashResult } from './crash-run.ts';

/** What a run shows that must not be, in words; none is as it should be. */
export function crashFaults({ items, kills }: Pick<CrashOptions, 'items' | 'kills'>, result: CrashResult): string[] {
  const ids = result.results.map((line) => line.custom_id);
  const known = new Set(ids);
  const missing = Array.from({ length: items }, (_, index) => `item-${index + 1}`).filter((id) => !known.has(id));
  const killed = result.killed.gateway + result.killed.child;
  const wrong = result.results.filter(({ response, error }) => response?.status_code !== 200 || error !== null);
  const checks: readonly (readonly [boolean, string])[] = [
    [result.batch.status === 'completed', `the batch is ${result.batch.status}`],
    [ids.length === items, `${ids.length} results instead of ${items}`],
    [known.size === ids.length, `${ids.length - known.size} results are there twice`],
    [missing.length === 0, `${missing.length} items have no result: ${missing.slice(0, 5).join(', ')}`],
    [wrong.length === 0, `${wrong.length} results are no answers`],
    [result.errors.length === 0, `${result.errors.length} lines in the error file`],
    [killed === kills, `${killed} kills instead of ${kills}`],
    [result.killedIn['completed'] === undefined, 'the batch had ended before the last kill: use more tokens'],
    [result.unrecorded.length === 0, `attempts are not recorded for ${result.unrecorded.slice(0, 5).join(', ')}`],
    [result.retried > 0, 'no item was begun twice, so nothing was tried'],
    [result.orphans.length === 0, `processes left behind: ${result.orphans.join(', ')}`],
    [result.outlived === 0, `children outlived their gateway ${result.outlived} times`],
    [result.integrity === 'ok', `integrity_check: ${result.integrity}`],
    [result.leftRows === 0, `${result.leftRows} jobs left in the database`],
  ];
  return checks.flatMap(([isRight, fault]) => (isRight ? [] : [fault]));
}
