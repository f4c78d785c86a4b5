/** Lines shown around a change. */
const CONTEXT = 2;

/**
 * What differs between two texts, line by line: `-` gone, `+` new, two unchanged lines around each change, `…` for what is
 * left out. Empty for equal texts. Takes time and memory in proportion to the product of the lines between the first and
 * the last change, so it is for texts that differ in a few places.
 */
export function lineDiff(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let tail = 0;
  while (tail < old.length - start && tail < now.length - start && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  const same = (lines: readonly string[]) => lines.map((line) => ({ mark: ' ', line }));
  const marked = [
    ...same(old.slice(0, start)),
    ...changes(old.slice(start, old.length - tail), now.slice(start, now.length - tail)),
    ...same(old.slice(old.length - tail)),
  ];
  return withoutFar(marked).join('\n').trimEnd();
}

type Marked = { readonly mark: string; readonly line: string };

/** The shortest way from one list to the other, by their longest common subsequence (Wagner and Fischer 1974). */
function changes(old: readonly string[], now: readonly string[]): readonly Marked[] {
  const width = now.length + 1;
  const common = new Uint32Array((old.length + 1) * width);
  const at = (i: number, j: number) => common[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i -= 1) {
    for (let j = now.length - 1; j >= 0; j -= 1) {
      common[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const marked: Marked[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) {
      marked.push({ mark: ' ', line: old[i] ?? '' });
      i += 1;
      j += 1;
    } else if (j >= now.length || (i < old.length && at(i + 1, j) >= at(i, j + 1))) {
      marked.push({ mark: '-', line: old[i] ?? '' });
      i += 1;
    } else {
      marked.push({ mark: '+', line: now[j] ?? '' });
      j += 1;
    }
  }
  return marked;
}

function withoutFar(marked: readonly Marked[]): readonly string[] {
  const isNear = (index: number) =>
    marked.slice(Math.max(0, index - CONTEXT), index + CONTEXT + 1).some(({ mark }) => mark !== ' ');
  const lines: string[] = [];
  for (const [index, { mark, line }] of marked.entries()) {
    if (isNear(index)) lines.push(`${mark} ${line}`);
    else if (lines.length > 0 && lines.at(-1) !== '…') lines.push('…');
  }
  if (lines.at(-1) === '…') lines.pop();
  return lines;
}
