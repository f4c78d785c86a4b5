/**
 * The same value with the names of its fields as they are written on the wire: `weightsBytes` → `weights_bytes`, at
 * every depth. For records of ours only: a map's keys (model ids) are names of things, not of fields.
 */
export function snakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [wireName(name), snakeCase(field)]));
}

/** `weightsBytes` → `weights_bytes`. */
export const wireName = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
