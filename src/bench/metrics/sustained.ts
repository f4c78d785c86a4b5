import { type Metric, series } from './metric.ts';

/** Share of a sustained run that counts: what is left when it has become as hot as it gets. */
const LAST_SHARE = 1 / 3;

/** See the definition; beside the rate of a short run it shows what throttling costs. Not part of a profile. */
export const sustainedDecode: Metric = {
  id: 'sustainedDecodeTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'decode rate in the last third of a sustained run (--sustained), 1,000 / TPOT; the points over time with temperature and clock stand in samples',
  measure: ({ sustained }) =>
    series(
      sustainedDecode,
      sustained
        .slice(-Math.max(1, Math.ceil(sustained.length * LAST_SHARE)))
        .map(({ decodeTokensPerSec }) => decodeTokensPerSec),
    ),
};

/** See the definition. */
export const sustainedShare: Metric = {
  id: 'sustainedShare',
  unit: 'factor',
  side: 'served',
  definition: 'decode rate of the last third of a sustained run over that of its first third',
  measure: ({ sustained }) => {
    const third = Math.ceil(sustained.length * LAST_SHARE);
    if (sustained.length < 2) return [];
    const [first, last] = [sustained.slice(0, third), sustained.slice(-third)];
    return series(
      sustainedShare,
      last.flatMap(
        ({ decodeTokensPerSec }, index) => decodeTokensPerSec / (first[index]?.decodeTokensPerSec ?? Number.NaN),
      ),
    );
  },
};
