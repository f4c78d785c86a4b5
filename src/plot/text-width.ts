// Widths of letters in parts of the font size, of one of the widest common system fonts, so that no label is cut off.
const NARROW = /[iljtfIr.,:;|!'()[\] -]/;
const WIDE = /[mwMW@%—]/;
const CAPITAL = /[A-Z_+<>=~]/;

/**
 * Width of a text in px, near enough for labels: there is no font to ask outside of a browser, and the plotting
 * library's own guess (0.8 of the size for each letter) leaves a third of a small plot empty.
 */
export function textWidth(text: string, fontSize: number): number {
  let width = 0;
  for (const letter of text) {
    width += NARROW.test(letter) ? 0.36 : WIDE.test(letter) ? 0.95 : CAPITAL.test(letter) ? 0.7 : 0.63;
  }
  return width * fontSize;
}
