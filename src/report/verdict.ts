import { formatDurationMs, formatShare, formatTokensPerSec } from '../core/format.ts';

/** What a model is good for on this machine, from best to worst. */
export const VERDICTS = [
  'excellent',
  'comfortable',
  'best default',
  'deliberate',
  'batch only',
  'not practical',
] as const;
/** One of {@link VERDICTS}. */
export type Verdict = (typeof VERDICTS)[number];

/** The bounds that verdicts are computed from; `verdicts` in the policy. */
export type VerdictRules = {
  /** A standard chat answered within this is excellent, ms. */
  readonly excellentMs: number;
  /** … comfortable. */
  readonly comfortableMs: number;
  /** … still worth waiting for, when the answer has to be better. */
  readonly deliberateMs: number;
  /** An NPU model that decodes more slowly is not for conversation, tokens per second. */
  readonly npuDecodeFloor: number;
  /** A model that takes more of the memory all models may have leaves no room for the others, 0..1. */
  readonly memoryShareMax: number;
  /** Below this a page of text takes a quarter of an hour, tokens per second. */
  readonly decodeFloor: number;
};

/**
 * Defaults, from what was found out on the reference board: 5 tok/s is the floor for conversation on its NPU; its 0.8B
 * answers a standard chat in 11 s (excellent raw speed), the 2B in 17 s (strong fast fallback), the 9B in 53 s (slow but
 * practical); the 27B takes 163 s at 0.54 tok/s and 95 % of the memory (not practical).
 */
export const VERDICT_RULES: VerdictRules = {
  excellentMs: 15_000,
  comfortableMs: 30_000,
  deliberateMs: 90_000,
  npuDecodeFloor: 5,
  memoryShareMax: 0.85,
  decodeFloor: 1,
};

/** A standard chat: what figures of different models are compared by. */
export const STANDARD_CHAT = { promptTokens: 100, outputTokens: 60 } as const;

/** One model to be judged. */
export type Judged = {
  readonly model: string;
  readonly device: string;
  /** Predicted end-to-end time of {@link STANDARD_CHAT} on the loaded model, ms. */
  readonly chatMs: number;
  readonly decodeTokensPerSec: number;
  /** Peak memory over what all models may have; undefined where nothing is known. */
  readonly memoryShare: number | undefined;
  readonly quality: number;
  /** Degenerate answers: whatever the speed, it is not practical. */
  readonly quarantined: boolean;
  /** True for a device whose models are held to the NPU's floor. */
  readonly isNpu: boolean;
};

/** A verdict with the figure that decided, in one ASCII line. */
export type Judgement = { readonly verdict: Verdict; readonly why: string };

/** Targets of the class that conversations belong to. */
export type ChatTargets = {
  readonly e2eMs: number | undefined;
  readonly minQuality: number;
};

/**
 * Judges the models of one machine together, in the order given. `best default` goes to one model: among those that meet
 * the interactive class's end-to-end target and quality, the one of the highest quality, the faster of two equal ones.
 */
export function judgeModels(
  models: readonly Judged[],
  rules: VerdictRules,
  targets: ChatTargets,
): ReadonlyMap<string, Judgement> {
  const judged = new Map(models.map((model) => [model.model, judge(model, rules)]));
  const best = bestDefault(
    models.filter(({ model }) => !isOut(judged.get(model)?.verdict)),
    targets,
  );
  if (best !== undefined) {
    const bound = targets.e2eMs === undefined ? '' : ` <= ${formatDurationMs(targets.e2eMs)}`;
    const why = `highest quality (${best.quality}) of those in time: standard chat ${formatDurationMs(best.chatMs)}${bound}`;
    judged.set(best.model, { verdict: 'best default', why });
  }
  return judged;
}

const isOut = (verdict: Verdict | undefined): boolean => verdict === 'batch only' || verdict === 'not practical';

function judge(model: Judged, rules: VerdictRules): Judgement {
  if (model.quarantined) return { verdict: 'not practical', why: 'its answers fall apart (quarantined)' };
  const { chatMs, decodeTokensPerSec, memoryShare = 0, isNpu } = model;
  const tooLarge = memoryShare > rules.memoryShareMax;
  const share = `${formatShare(memoryShare)} of the memory`;
  const rate = formatTokensPerSec(decodeTokensPerSec);
  if (memoryShare > 1) return { verdict: 'not practical', why: `needs ${share}` };
  if (tooLarge && decodeTokensPerSec < rules.decodeFloor) {
    return { verdict: 'not practical', why: `${share} and ${rate}` };
  }
  const chat = `standard chat ${formatDurationMs(chatMs)}`;
  if (tooLarge) return { verdict: 'batch only', why: `leaves no room for another model: ${share}` };
  if (chatMs > rules.deliberateMs) return { verdict: 'batch only', why: beyond(chat, rules.deliberateMs) };
  if (isNpu && decodeTokensPerSec < rules.npuDecodeFloor) {
    return { verdict: 'deliberate', why: `${rate} < ${formatTokensPerSec(rules.npuDecodeFloor)} on an NPU` };
  }
  if (chatMs > rules.comfortableMs) return { verdict: 'deliberate', why: beyond(chat, rules.comfortableMs) };
  const verdict = chatMs > rules.excellentMs ? 'comfortable' : 'excellent';
  const bound = verdict === 'excellent' ? rules.excellentMs : rules.comfortableMs;
  return { verdict, why: `${chat} <= ${formatDurationMs(bound)}` };
}

const beyond = (figure: string, boundMs: number): string => `${figure} > ${formatDurationMs(boundMs)}`;

function bestDefault(models: readonly Judged[], { e2eMs, minQuality }: ChatTargets): Judged | undefined {
  return models
    .filter(({ chatMs, quality }) => quality >= minQuality && chatMs <= (e2eMs ?? Number.POSITIVE_INFINITY))
    .toSorted((a, b) => b.quality - a.quality || a.chatMs - b.chatMs)[0];
}
