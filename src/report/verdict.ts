import { formatDurationMs, formatShare, formatTokensPerSec } from '../core/format.ts';
import type { VerdictPolicy } from '../core/policy.ts';

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

/** One model to be judged. */
export type Judged = {
  readonly model: string;
  /** Predicted end-to-end time of the policy's standard chat on the loaded model, ms. */
  readonly chatMs: number;
  /** True where the prompt's part of `chatMs` is not known. */
  readonly isPrefillUnknown?: boolean;
  readonly decodeTokensPerSec: number;
  /** Peak memory over what all models may have; undefined where nothing is known. */
  readonly memoryShare: number | undefined;
  /** 0..1; undefined where nobody has said or measured anything. */
  readonly quality: number | undefined;
  /** False for a model that conversations are kept from, e.g. by its `classes`: it cannot be the default. */
  readonly mayChat: boolean;
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
  rules: VerdictPolicy,
  targets: ChatTargets,
): ReadonlyMap<string, Judgement> {
  const judged = new Map(models.map((model) => [model.model, judge(model, rules)]));
  const best = bestDefault(
    models.filter(({ model, mayChat }) => mayChat && !isOut(judged.get(model)?.verdict)),
    targets,
  );
  if (best !== undefined) {
    const bound = targets.e2eMs === undefined ? '' : ` <= ${formatDurationMs(targets.e2eMs)}`;
    const why = `highest quality (${Number(best.quality?.toFixed(2))}) of those in time: standard chat ${formatDurationMs(best.chatMs)}${bound}`;
    judged.set(best.model, { verdict: 'best default', why });
  }
  return judged;
}

const isOut = (verdict: Verdict | undefined): boolean => verdict === 'batch only' || verdict === 'not practical';

function judge(model: Judged, rules: VerdictPolicy): Judgement {
  if (model.quarantined) return { verdict: 'not practical', why: 'its answers fall apart (quarantined)' };
  const { chatMs, decodeTokensPerSec, memoryShare = 0, isNpu } = model;
  const tooLarge = memoryShare > rules.memoryShareMax;
  const share = `${formatShare(memoryShare)} of the memory`;
  const rate = formatTokensPerSec(decodeTokensPerSec);
  if (memoryShare > 1) return { verdict: 'not practical', why: `needs ${share}` };
  if (tooLarge && decodeTokensPerSec < rules.decodeFloor) {
    return { verdict: 'not practical', why: `${share} and ${rate}` };
  }
  const chat = `standard chat ${model.isPrefillUnknown === true ? 'at least ' : ''}${formatDurationMs(chatMs)}`;
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
    .filter(({ chatMs, quality }) => (quality ?? -1) >= minQuality && chatMs <= (e2eMs ?? Number.POSITIVE_INFINITY))
    .toSorted((a, b) => (b.quality ?? 0) - (a.quality ?? 0) || a.chatMs - b.chatMs)[0];
}
