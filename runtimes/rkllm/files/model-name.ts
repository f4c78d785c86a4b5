import { friendlyName, parametersFromName } from '../../../src/core/names.ts';

/** What a model file says or is said to be; anything may be unknown. */
export type RkllmFacts = {
  readonly model?: string;
  /** Lower case, without the package letter: `rk3588`, `rk3576`, `rk3562`, `rk3583`, `rv1126b`. */
  readonly soc?: string;
  /** As the toolkit writes it, lower case: `w8a8`, `w8a8_g128`, `w4a16`. */
  readonly dtype?: string;
  /** NPU cores it was converted for. */
  readonly npuCores?: number;
  /** Context length baked into the file, tokens. */
  readonly contextTokens?: number;
  /** Version of the toolkit that made it, e.g. `1.2.3`. */
  readonly toolkitVersion?: string;
  readonly optLevel?: number;
  /** Share of layers quantised in groups, 0..1. */
  readonly hybridRatio?: number;
  readonly parametersBillion?: number;
};

/**
 * Reads what a `.rkllm` file's name tells; there is no standard, so every fact is looked for by itself and may be
 * missing. Never throws. These are hints: the line the library prints when it loads the file is the truth.
 */
export function parseModelName(path: string): RkllmFacts {
  const base = path.slice(path.lastIndexOf('/') + 1).replace(/\.rkllm$/i, '');
  const name = base.toLowerCase();
  const found = (pattern: RegExp): string | undefined => pattern.exec(name)?.[1];
  return withoutAbsent({
    model: friendlyName(base),
    soc: normalizedSoc(found(/(rk35(?:88s?|83|76|62)|rv1126b)(?![a-z0-9])/)),
    dtype: found(/(?:^|[-_.])(w[48]a(?:8|16)(?:[-_]g\d+)?)(?![a-z0-9])/)?.replace('-g', '_g'),
    npuCores: numberOf(found(/npu-?(\d)(?!\d)/)),
    contextTokens: contextOf(found(/ctx-?(\d+)(?!\d)/), found(/(?:^|[-_.])(\d{1,3})k(?![a-z0-9])/)),
    toolkitVersion: found(/(?:^|[-_])v(\d+\.\d+\.\d+(?:b\d+)?)/),
    optLevel: numberOf(found(/opt-?(\d)(?!\d)/)),
    hybridRatio: numberOf(found(/hybrid(?:-ratio)?-?(\d+(?:\.\d+)?)/)),
    parametersBillion: parametersFromName(base),
  });
}

/** `RK3588S` → `rk3588`; undefined stays undefined. */
export const normalizedSoc = (text: string | undefined): string | undefined =>
  text
    ?.trim()
    .toLowerCase()
    .replace(/^rk3588s$/, 'rk3588');

/** `W8A8-G128` → `w8a8_g128`; undefined stays undefined. */
export const normalizedDtype = (text: string | undefined): string | undefined =>
  text?.trim().toLowerCase().replace('-g', '_g');

/** Drops the members that are undefined, so that facts can be laid over each other. */
export function withoutAbsent<Facts extends object>(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)) as Facts;
}

const numberOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

// "ctx16384" is exact; "16k" is how people write 16384.
const contextOf = (exact: string | undefined, thousands: string | undefined): number | undefined => {
  const tokens = exact === undefined ? (numberOf(thousands) ?? 0) * 1024 : Number(exact);
  return tokens > 0 ? tokens : undefined;
};
