import { diffPolicies } from '../policy/diff-policies.ts';
import { hideValues } from '../policy/hide-values.ts';
import { lineDiff } from '../policy/line-diff.ts';
import type { HttpParts } from './parts.ts';

/** Texts of more lines are not compared: the table of the comparison would take more memory than the gateway. */
const DIFF_LINES_MAX = 2000;

/**
 * `GET /router/policy`: the text in force with the change that led to it, and the change that was rejected where the
 * file holds one. Values of environments are hidden; keys never stand in a policy, only the names of their variables.
 */
export function encodePolicy({ policyHistory }: Pick<HttpParts, 'policyHistory'>) {
  const { current, previous, rejected } = policyHistory();
  return {
    file: current.policy.file,
    revision: current.policy.revision,
    since: new Date(current.sinceMs).toISOString(),
    text: hideValues(current.text) ?? '',
    error:
      rejected === undefined
        ? null
        : {
            message: rejected.message,
            at: new Date(rejected.atMs).toISOString(),
            diff: difference(current.text, rejected.text),
          },
    previous:
      previous === undefined
        ? null
        : {
            revision: previous.policy.revision,
            since: new Date(previous.sinceMs).toISOString(),
            diff: difference(previous.text, current.text),
            changes: diffPolicies(previous.policy, current.policy).map(({ path, before, after }) => ({
              path,
              before: valueFor(path, before),
              after: valueFor(path, after),
            })),
          },
  };
}

/** Null where a text is no YAML, of which nothing can be hidden, or is too long to compare. */
function difference(before: string, after: string | undefined): string | null {
  const [old, now] = [hideValues(before), after === undefined ? undefined : hideValues(after)];
  if (old === undefined || now === undefined) return null;
  const isLong = [old, now].some((text) => text.split('\n').length > DIFF_LINES_MAX);
  return isLong ? null : lineDiff(old, now);
}

/** A part that came or went whole is one value, in which an environment may stand as well. */
function valueFor(path: string, value: string | undefined): string | null {
  if (value === undefined) return null;
  return /\b(environment|env)\b/.test(path) || /"(environment|env)":\{"/.test(value) ? '(hidden)' : value;
}
