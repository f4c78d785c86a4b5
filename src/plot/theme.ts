/** Colours of plots as they are on light paper, by what they are for; {@link PLOT_CSS} gives them their dark counterparts. */
export const INK = { ink: '#1f2328', muted: '#59636e', grid: '#d8dee4' } as const;

/** Colours that stand for something, told apart by the colour-blind in this order. */
export const SERIES_COLOURS = [
  '#0b6bb8',
  '#b35900',
  '#1a7f4b',
  '#8a4fbf',
  '#c0392b',
  '#0e7c86',
  '#7a6a00',
  '#b83280',
] as const;

const DARK_SERIES = ['#58a6ff', '#f0a04b', '#4cc38a', '#c297ff', '#ff7b72', '#39c5cf', '#d4b83a', '#ff80c8'];

/** Every colour with the variable it becomes and its dark counterpart. */
const THEME = [
  { name: '--plot-ink', light: INK.ink, dark: '#e6e8eb' },
  { name: '--plot-muted', light: INK.muted, dark: '#9aa4af' },
  { name: '--plot-grid', light: INK.grid, dark: '#343b44' },
  ...SERIES_COLOURS.map((light, index) => ({ name: `--plot-${index}`, light, dark: DARK_SERIES[index] ?? light })),
];

const declarations = (of: 'light' | 'dark'): string => THEME.map((one) => `${one.name}:${one[of]}`).join(';');

/** Style of plots: light or dark by the reader's own setting. A page has it once, a picture by itself within. */
export const PLOT_CSS = `:root{${declarations('light')}}
@media (prefers-color-scheme:dark){:root{${declarations('dark')}}}`;

/** Replaces the light colours in a picture by their variables. */
export const themed = (svg: string): string =>
  THEME.reduce((text, { name, light }) => text.replaceAll(`"${light}"`, `"var(${name})"`), svg);
