/**
 * Freezes a value and everything in it, maps included (their `set`, `delete` and `clear` throw), so that nobody can
 * change a policy that others are reading. Returns the same value.
 */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    for (const name of ['set', 'delete', 'clear']) Object.defineProperty(value, name, { value: refuse });
    for (const entry of value.values()) deepFreeze(entry);
  }
  Object.freeze(value);
  for (const entry of Object.values(value)) deepFreeze(entry);
  return value;
}

function refuse(): never {
  throw new TypeError('the policy is frozen; a new one replaces it whole');
}
