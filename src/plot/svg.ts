/** Text safe inside an element and inside a double-quoted attribute. */
export const escapeText = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/**
 * Round numbers that cover `from` to `to` in four to ten steps, ascending; the first is at most `from`, the last at
 * least `to`. An empty or reversed span is taken as one around `from`.
 */
export function niceTicks(from: number, to: number): readonly number[] {
  const span = to > from ? to - from : 1;
  const power = 10 ** Math.floor(Math.log10(span / 5));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => span / size <= 8) ?? 10 * power;
  const first = Math.floor(from / step + 1e-9);
  const last = Math.ceil(Math.max(to, from + step) / step - 1e-9);
  const ticks: number[] = [];
  for (let index = first; index <= last; index += 1) ticks.push(Number((index * step).toPrecision(12)));
  return ticks;
}

/** Style of every plot: the reader's own light or dark, system fonts, colours apart for the colour-blind. */
export const PLOT_STYLE = `<style>
svg{color-scheme:light dark;font:13px system-ui,sans-serif}
.paper{fill:#fff}.title{font-size:16px;font-weight:600}.panel{font-weight:600}
text{fill:#222}.tick{fill:#555;font-size:12px}.grid{stroke:#ddd}
.data .span{stroke:#6b7785;stroke-width:3}.data circle{fill:#3d4a57}
.mark .span{stroke:#e08a00;stroke-width:3}.mark circle{fill:#b35c00}.mark text{font-weight:600}
@media (prefers-color-scheme:dark){.paper{fill:#16181d}text{fill:#e6e6e6}.tick{fill:#aaa}.grid{stroke:#333}
.data .span{stroke:#8b98a8}.data circle{fill:#c3ccd6}.mark .span{stroke:#e08a00}.mark circle{fill:#ffb340}}
</style>`;
