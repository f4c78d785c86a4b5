// Run inside a page by helpers/browser.ts: what only a browser knows of itself.

/** Red, green, blue and opacity of a computed colour, each 0..1. */
function colourParts(text) {
  const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
  return { channels: [red / 255, green / 255, blue / 255], alpha };
}

/** Relative luminance (WCAG 2.2). */
function luminance(channels) {
  const [red, green, blue] = channels.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** Colour behind an element: of the nearest one around it that is not see-through. */
function paperOf(element) {
  for (let one = element; one !== null; one = one.parentElement) {
    const { channels, alpha } = colourParts(getComputedStyle(one).backgroundColor);
    if (alpha > 0.99) return channels;
  }
  return [1, 1, 1];
}

/** Texts whose contrast to what is behind them is below `least`, each with its ratio. Texts on coloured cells of a plot are left out. */
function lowContrast(least) {
  const found = [];
  for (const element of document.body.querySelectorAll('*')) {
    const text = [...element.childNodes]
      .filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.textContent.trim())
      .join('');
    if (text === '' || element.getClientRects().length === 0) continue;
    const style = getComputedStyle(element);
    const isSvg = element instanceof SVGElement;
    if (isSvg && /^#/.test(element.getAttribute('fill') ?? '')) continue;
    const [front, behind] = [
      luminance(colourParts(isSvg ? style.fill : style.color).channels),
      luminance(paperOf(element)),
    ];
    const ratio = (Math.max(front, behind) + 0.05) / (Math.min(front, behind) + 0.05);
    if (ratio < least) found.push(`${ratio.toFixed(2)}: ${text.slice(0, 60)}`);
  }
  return found;
}

/** Pictures of the page that are loaded and shown, by their title, with their size and the smallest letters in px on the screen. */
function pictures() {
  return [...document.querySelectorAll('main svg')].map((svg) => {
    const { width, height } = svg.getBoundingClientRect();
    const scale = width / Number(svg.getAttribute('width'));
    const letters = [...svg.querySelectorAll('text')].map(
      (text) => Number.parseFloat(text.getAttribute('font-size')) * scale,
    );
    return {
      ...{
        title: svg.querySelector('title')?.textContent ?? '',
        description: svg.querySelector('desc')?.textContent ?? '',
      },
      ...{ width, height, leastLetterPx: Math.min(...letters) },
    };
  });
}

/** By how many px the page is wider than its window; 0 where it need not be scrolled sideways. */
function overflow() {
  return document.documentElement.scrollWidth - document.documentElement.clientWidth;
}

globalThis.pageChecks = { lowContrast, pictures, overflow };
