const signTotals = new Uint16Array(7);

/**
 * How often each of seven kinds of signs occurs: digits, code, quotes, line ends, capitals, scripts without spaces, accented
 * letters. The array is reused by the next call.
 */
export function countSigns(text: string): Uint16Array {
  signTotals.fill(0);
  for (let at = 0; at < text.length; at += 1) {
    const kind = signOf(text.charCodeAt(at));
    if (kind >= 0) signTotals[kind] = (signTotals[kind] as number) + 1;
  }
  return signTotals;
}

function signOf(unit: number): number {
  if (unit >= 48 && unit <= 57) return 0;
  if (unit >= 65 && unit <= 90) return 4;
  if (unit >= 0x2e80) return 5;
  if (unit >= 0xc0 && unit < 0x250) return 6;
  // Braces, brackets and operators of code; quotes; line ends.
  if (unit === 123 || unit === 125 || unit === 40 || unit === 41 || unit === 59 || unit === 61 || unit === 60) return 1;
  if (unit === 34 || unit === 39 || unit === 0x201e || unit === 0x201c) return 2;
  return unit === 10 ? 3 : -1;
}
