import { z } from 'zod';

/** Raised when the meaning of a row changes; older rows are dropped, traffic teaches them again within the hour. */
export const STATE_VERSION = 1;

const finite = z.number().refine(Number.isFinite);
const term = z.object({ kappa: finite, variance: finite.nonnegative(), updatedMs: finite.optional(), n: finite });
const level = z.object({ mean: finite, spread: finite.nonnegative(), previous: finite.optional(), n: finite });
const arm = z.object({
  term,
  level,
  /** Benchmarked time of a fixed piece of work, ms: the figures that the term corrects. 0 = the next ones it meets. */
  referenceMs: finite.nonnegative(),
});
const phases = <Phase extends z.ZodType>(phase: Phase) => z.object({ prefill: phase, decode: phase });
const device = z.object({
  terms: phases(term),
  watch: z.object({ sum: finite, drifting: z.boolean() }),
  /** Samples after an alarm that are still taken to say more than usual. */
  restlessRuns: finite,
  busy: z.object({ share: finite.min(0).max(1), atMs: finite.optional() }),
  arms: z.record(z.string(), phases(arm)),
});
const correction = z.object({ ttft: finite, e2e: finite });
const lengths = z.array(finite).max(1000);

/** What is known of one phase of one model. */
export type ArmPhase = z.infer<typeof arm>;
/** What is known of one device and the models on it. */
export type DeviceState = z.infer<typeof device>;

/** One thing learned, to be kept under its key: `device cpu`, `correction interactive`, `lengths batch/code`. */
export type LearnedRow = { readonly key: string; readonly value: unknown };
/** Everything a learner knows, as plain values. */
export type LearnedState = { readonly version: number; readonly rows: readonly LearnedRow[] };

/** A learned state after it was checked. */
export type CheckedState = {
  readonly devices: ReadonlyMap<string, DeviceState>;
  readonly corrections: ReadonlyMap<string, z.infer<typeof correction>>;
  readonly lengths: ReadonlyMap<string, readonly number[]>;
  /** Keys of rows that could not be read, with the reason; they are learned anew. */
  readonly damaged: readonly string[];
};

const stateForm = z.object({
  version: z.literal(STATE_VERSION),
  rows: z.array(z.object({ key: z.string(), value: z.unknown() })),
});

/** Checks a state of unknown origin. A damaged row costs itself only; a state of another version all of it. */
export function checkState(state: unknown): CheckedState {
  const [devices, corrections, groups] = [new Map(), new Map(), new Map()];
  const damaged: string[] = [];
  const kinds = new Map<string, { readonly form: z.ZodType; readonly into: Map<string, unknown> }>([
    ['device', { form: device, into: devices }],
    ['correction', { form: correction, into: corrections }],
    ['lengths', { form: lengths, into: groups }],
  ]);
  const read = stateForm.safeParse(state);
  if (!read.success) damaged.push(`state: ${problemOf(read.error)}`);
  for (const { key, value } of read.data?.rows ?? []) {
    const split = key.indexOf(' ');
    const kind = kinds.get(key.slice(0, split));
    const checked = kind?.form.safeParse(value);
    if (checked?.success) kind?.into.set(key.slice(split + 1), checked.data);
    else damaged.push(`${key}: ${checked === undefined ? 'unknown kind' : problemOf(checked.error)}`);
  }
  return { devices, corrections, lengths: groups, damaged };
}

const problemOf = ({ issues }: z.ZodError): string =>
  `${issues[0]?.path.join('.') ?? ''} ${issues[0]?.message ?? 'unknown form'}`.trim();
