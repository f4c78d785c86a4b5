import { type Metric, type SustainedSample, series } from './metric.ts';

/** Share of a sustained run that counts: what is left when it has become as hot as it gets. */
const LAST_SHARE = 1 / 3;

/** See the definition; beside the rate of a short run it shows what throttling costs. Not part of a profile. */
export const sustainedDecode: Metric = {
  id: 'sustainedDecodeTokensPerSec',
  unit: 'tok/s',
  side: 'served',
  definition:
    'decode rate in the last third of a sustained run (--sustained), 1,000 / TPOT; the points over time with temperature and clock stand in samples',
  measure: ({ sustained }) => {
    const timed = sustained.filter(isTimed);
    const last = timed.slice(-Math.max(1, Math.ceil(timed.length * LAST_SHARE)));
    return series(
      sustainedDecode,
      last.map(({ decodeTokensPerSec }) => decodeTokensPerSec),
    );
  },
};

// Answers so short or so quick that all came at once have no rate.
const isTimed = ({ decodeTokensPerSec }: SustainedSample): boolean => decodeTokensPerSec > 0;

/** See the definition. */
export const sustainedShare: Metric = {
  id: 'sustainedShare',
  unit: 'factor',
  side: 'served',
  definition: 'decode rate of the last third of a sustained run over that of its first third',
  measure: ({ sustained }) => {
    const timed = sustained.filter(isTimed);
    const third = Math.ceil(timed.length * LAST_SHARE);
    if (timed.length < 2) return [];
    const [first, last] = [timed.slice(0, third), timed.slice(-third)];
    return series(
      sustainedShare,
      last.flatMap(
        ({ decodeTokensPerSec }, index) => decodeTokensPerSec / (first[index]?.decodeTokensPerSec ?? Number.NaN),
      ),
    );
  },
};
