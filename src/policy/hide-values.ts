import { isAlias, isMap, isNode, isPair, isScalar, parseDocument, visit } from 'yaml';

/** Keys whose maps hold what is passed to children: the one place of a policy where a secret may stand. */
const SECRET_MAPS: ReadonlySet<unknown> = new Set(['environment', 'env']);
const HIDDEN = '"(hidden)"';

/**
 * A policy's text with every value of an `environment` or `env` replaced by `"(hidden)"`, everything else as it was,
 * comments included. Undefined for a text that is no YAML: what cannot be read cannot be hidden in either.
 */
export function hideValues(text: string): string | undefined {
  const document = parseDocument(text, { merge: true });
  if (document.errors.length > 0) return undefined;
  const ranges = new Map<number, number>();
  const hide = (node: unknown): void => {
    if (!isNode(node)) return;
    if (isAlias(node)) hide(node.resolve(document));
    else if (isMap(node)) for (const { value } of node.items) hide(value);
    else if (node.range) ranges.set(...hiddenRange(node.range, text));
  };
  visit(document, {
    Pair: (_, pair) => {
      if (isPair(pair) && isScalar(pair.key) && SECRET_MAPS.has(pair.key.value)) hide(pair.value);
    },
  });
  let shown = text;
  for (const [start, end] of [...ranges].toSorted(([a], [b]) => b - a)) {
    if (end > start) shown = `${shown.slice(0, start)}${HIDDEN}${shown.slice(end)}`;
  }
  return shown;
}

/** A block of lines ends with the break that ends its last line, which belongs to the map around it. */
function hiddenRange([start, end]: readonly number[], text: string): [number, number] {
  const from = start ?? 0;
  return [from, from + text.slice(from, end).trimEnd().length];
}
