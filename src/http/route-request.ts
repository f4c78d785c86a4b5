import type { Decision, Workload } from '../core/decision.ts';
import type { PrefixMarks } from '../core/prefix-marks.ts';
import { tokenizersToAsk } from '../route/count-need.ts';
import { decide, decidePreferred } from '../route/decide.ts';
import type { HttpParts } from './parts.ts';

/** A request's way has been decided, with the workload it was decided on. */
export type Routed = { readonly workload: Workload; readonly decision: Decision };

/** A request may wait so long for a count that could change who serves it; a child that is up takes a few ms. */
const COUNT_LIMIT_MS = 50;
/** A dry run is for people, who want the true number. */
const EXPLAIN_LIMIT_MS = 1_000;

/** The request as a chat completion, which is written only when somebody has to count it. */
export type ChatBody = () => Buffer | string;

/** What is routed. */
export type Asked = {
  /** The request as it was classified, and its own number in [0, 1), see `Workload.draw`. */
  readonly asked: Workload;
  readonly draw: number;
  /** Its body for whoever has to count. */
  readonly body: ChatBody;
  /** Its decision is not kept: where the class prefers a model, the others need not be weighed. */
  readonly isBrief: boolean;
};

type RouteParts = Pick<HttpParts, 'policy' | 'snapshot' | 'prompts'>;

/**
 * Decides on what is known of the prompt without asking anybody; only where the exact number of its tokens could change
 * the decision, a child is asked for it and the decision made again. A promise is returned only then, so that nobody
 * else waits for a turn of the event loop.
 */
export function routeRequest(parts: RouteParts, { asked, draw, body, isBrief }: Asked): Routed | Promise<Routed> {
  const workload = completeWorkload(asked, { draw, promptCounts: countsOf(parts, asked) });
  const [snapshot, policy] = [parts.snapshot(), parts.policy()];
  const alone = isBrief ? decidePreferred(workload, snapshot, policy) : undefined;
  const decision = alone ?? decide(workload, snapshot, policy);
  const { prefix } = workload;
  if (prefix === undefined) return { workload, decision };
  const tokenizers = tokenizersToAsk({ decision, workload, snapshot, policy }, parts.prompts.spreadOf);
  if (tokenizers.size === 0) return { workload, decision };
  return decideCounted(parts, workload, { tokenizers, prefix, body, limitMs: COUNT_LIMIT_MS });
}

/** The decision as `POST /router/explain` shows it: on exact counts for every tokenizer of which a child is up. */
export async function routeDryRun(parts: RouteParts, asked: Workload, body: ChatBody): Promise<Routed> {
  const workload = completeWorkload(asked, { draw: asked.draw, promptCounts: countsOf(parts, asked) });
  const { prefix } = workload;
  if (prefix === undefined) return { workload, decision: decide(workload, parts.snapshot(), parts.policy()) };
  const tokenizers = new Set<string>();
  for (const { facts } of parts.snapshot().models.values()) {
    if (facts?.tokenizer !== undefined && !isCounted(workload, facts.tokenizer)) tokenizers.add(facts.tokenizer);
  }
  return decideCounted(parts, workload, { tokenizers, prefix, body, limitMs: EXPLAIN_LIMIT_MS });
}

type Counting = {
  readonly tokenizers: ReadonlySet<string>;
  readonly prefix: PrefixMarks;
  readonly body: ChatBody;
  readonly limitMs: number;
};

async function decideCounted(parts: RouteParts, workload: Workload, counting: Counting): Promise<Routed> {
  const fresh = await parts.prompts.count({ ...counting, body: counting.body() });
  const older = workload.promptCounts?.filter((old) => !fresh.some(({ tokenizer }) => tokenizer === old.tokenizer));
  const counted = { ...workload, promptCounts: [...fresh, ...(older ?? [])] };
  return { workload: counted, decision: decide(counted, parts.snapshot(), parts.policy()) };
}

const countsOf = ({ prompts }: RouteParts, { prefix }: Workload): Workload['promptCounts'] =>
  prefix === undefined ? undefined : prompts.recall(prefix);

// Field by field, for the reason that `withGuess` gives.
function completeWorkload(asked: Workload, { draw, promptCounts }: Pick<Workload, 'draw' | 'promptCounts'>): Workload {
  return {
    class: asked.class,
    task: asked.task,
    reasons: asked.reasons,
    pinnedModel: asked.pinnedModel,
    openModels: asked.openModels,
    promptChars: asked.promptChars,
    messageCount: asked.messageCount,
    prefix: asked.prefix,
    promptTokensExact: asked.promptTokensExact,
    promptCounts,
    outputTokensMax: asked.outputTokensMax,
    needs: asked.needs,
    stream: asked.stream,
    slo: asked.slo,
    minQuality: asked.minQuality,
    draw,
  };
}

const isCounted = ({ promptCounts, promptChars }: Workload, tokenizer: string): boolean =>
  promptCounts?.some((counted) => counted.tokenizer === tokenizer && counted.chars === promptChars) === true;
