import { useEffect, useState } from 'preact/hooks';

/** Parts of the address behind `#/`, decoded: `#/requests/req_1` → `['requests', 'req_1']`; empty for none. */
export function useHash(): readonly string[] {
  const [parts, setParts] = useState(partsOf);
  useEffect(() => {
    const onChange = () => setParts(partsOf());
    window.addEventListener('hashchange', onChange);
    return () => window.removeEventListener('hashchange', onChange);
  }, []);
  return parts;
}

const partsOf = (): readonly string[] =>
  location.hash
    .replace(/^#\/?/, '')
    .split('/')
    .filter((part) => part !== '')
    .map(decoded);

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Somebody typed a lone %; it names nothing either way.
    return part;
  }
}
