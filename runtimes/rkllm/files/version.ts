/**
 * Compares dotted versions by their numbers: negative where `left` is older. A pre-release (`1.2.1b1`) is older than
 * its release. Undefined where one of them is no version, as in `unknown`.
 */
export function compareVersions(left: string, right: string): number | undefined {
  const [a, b] = [partsOf(left), partsOf(right)];
  if (a === undefined || b === undefined) return undefined;
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

// Three numbers and the pre-release: none counts as more than any.
function partsOf(version: string): readonly number[] | undefined {
  const match = /^v?(\d+)\.(\d+)(?:\.(\d+))?(?:(?:b|beta|rc|-b)(\d+))?/.exec(version.trim());
  if (match === null) return undefined;
  const [, major, minor, patch = '0', beta] = match;
  return [Number(major), Number(minor), Number(patch), beta === undefined ? Number.MAX_SAFE_INTEGER : Number(beta)];
}
