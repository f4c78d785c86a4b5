import type { EvalCheck, EvalItem } from './item.ts';
import { wordsOf } from './words.ts';

/** Verdict on one answer. `run`: the code in it has to be run before anything can be said. */
export type Verdict =
  | { readonly kind: 'right' }
  | { readonly kind: 'wrong'; readonly why: string }
  | { readonly kind: 'run'; readonly source: string };

const RIGHT: Verdict = { kind: 'right' };
const wrong = (why: string): Verdict => ({ kind: 'wrong', why });

/** Whether an answer is right; thinking must have been taken off before. Never throws. */
export function scoreAnswer({ check }: Pick<EvalItem, 'check'>, answer: string): Verdict {
  switch (check.kind) {
    case 'exact':
      return scoreExact(check, answer);
    case 'number':
      return scoreNumber(check, answer);
    case 'contains':
      return scoreContains(check, answer);
    case 'json':
      return scoreJson(check, answer);
    case 'code':
      return findCode(check, answer);
  }
}

type Check<Kind extends EvalCheck['kind']> = Extract<EvalCheck, { kind: Kind }>;

function scoreExact({ answers }: Check<'exact'>, answer: string): Verdict {
  const given = answer.trim();
  // An answer asked for in capitals has to be in capitals.
  const fits = answers.some((wanted) =>
    /[a-z]/.test(wanted) || !/[A-Z]/.test(wanted) || wanted.length === 1
      ? plain(given) === plain(wanted)
      : bare(given) === wanted,
  );
  return fits ? RIGHT : wrong(`not ${answers.join(' or ')}`);
}

const bare = (text: string): string =>
  text.replace(/^[\s"'`*([{\u201c\u201e]+|[\s"'`*)\]}.,;:!?\u201d\u3002]+$/g, '').replace(/\s+/g, ' ');
const plain = (text: string): string => bare(text).toLowerCase();

function scoreNumber({ value, tolerance = 1e-9 }: Check<'number'>, answer: string): Verdict {
  const numbers = answer.replace(/(\d)[,\u202f](?=\d{3}\b)/g, '$1').match(/-?\d+(?:[.,]\d+)?/g);
  const last = Number(numbers?.at(-1)?.replace(',', '.') ?? Number.NaN);
  if (Math.abs(last - value) <= tolerance) return RIGHT;
  return wrong(Number.isNaN(last) ? 'no number' : `${last} instead of ${value}`);
}

function scoreContains(check: Check<'contains'>, answer: string): Verdict {
  const text = answer.toLowerCase();
  if (text.trim() === '') return wrong('empty');
  const missing = check.groups.find((group) => !group.some((part) => text.includes(part)));
  if (missing !== undefined) return wrong(`says nothing of ${missing.join(' or ')}`);
  const forbidden = check.forbidden?.find((part) => text.includes(part));
  if (forbidden !== undefined) return wrong(`says ${forbidden}`);
  const words = wordsOf(answer).length;
  if (check.wordsMax !== undefined && words > check.wordsMax) return wrong(`${words} words > ${check.wordsMax}`);
  const lines = answer.split('\n').filter((line) => line.trim() !== '').length;
  if (check.linesExact !== undefined && lines !== check.linesExact) {
    return wrong(`${lines} lines instead of ${check.linesExact}`);
  }
  return RIGHT;
}

function scoreJson({ value }: Check<'json'>, answer: string): Verdict {
  const text = /^\s*```(?:json)?\s*([\s\S]*?)```\s*$/.exec(answer)?.[1] ?? answer;
  try {
    return sameValue(JSON.parse(text), value) ? RIGHT : wrong('other values');
  } catch {
    // Not JSON is what the item looks for.
    return wrong('not JSON');
  }
}

function sameValue(given: unknown, wanted: unknown): boolean {
  if (typeof given === 'string' && typeof wanted === 'string') return plain(given) === plain(wanted);
  if (typeof given !== 'object' || typeof wanted !== 'object' || given === null || wanted === null) {
    return given === wanted;
  }
  if (Array.isArray(given) !== Array.isArray(wanted)) return false;
  const [left, right] = [Object.entries(given), Object.entries(wanted)];
  return (
    left.length === right.length &&
    right.every(([key, part]) => sameValue((given as Record<string, unknown>)[key], part))
  );
}

// A fence is taken where there is one; prose around it is forgiven, code without the function is not.
function findCode({ name }: Check<'code'>, answer: string): Verdict {
  const fenced = /```[a-z]*\s*\n([\s\S]*?)(?:```|$)/i.exec(answer)?.[1] ?? answer;
  const source = fenced.replace(/^\s*export\s+(?:default\s+)?/gm, '');
  if (!new RegExp(`\\b${name}\\b`).test(source)) return wrong(`no function ${name}`);
  return { kind: 'run', source };
}
