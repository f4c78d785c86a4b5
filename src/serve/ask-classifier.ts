import { MODEL_CLASSES, TASKS } from '../core/classes.ts';
import { messageOf } from '../core/errors.ts';
import type { Guess } from '../core/guess.ts';
import type { ModelPolicy } from '../core/policy.ts';
import type { Profile } from '../core/profile.ts';
import type { RequestFacts } from '../core/request.ts';
import type { LaneTicket } from '../supervise/lane.ts';
import type { Lease } from '../supervise/supervisor-types.ts';
import type { ServeParts } from './job.ts';

/** What asking a model needs of the gateway. */
export type AskParts = {
  readonly serve: Pick<ServeParts, 'clock' | 'lanes' | 'supervisor' | 'placeOf'>;
  readonly profileOf: (model: ModelPolicy) => Profile;
};

/** A model that is to classify, and the time it has. */
export type Asked = { readonly model: ModelPolicy; readonly budgetMs: number };

/** A guess, or why there is none, in words fit for a reason: `tiny is busy`. */
export type Told = Guess | { readonly none: string };

/** Of a long message the model reads the two ends: what is asked stands first or last, and reading costs time. */
const EXCERPT_CHARS_PER_END = 160;
/** Two words, with room for a model that begins with a quote or a line end. */
const ANSWER_TOKENS = 8;
/** UTF-16 units per token where the model's own ratio has not been measured, the same as prediction uses. */
const CHARS_PER_TOKEN = 3.6;

const INSTRUCTION = `Classify the request. Answer with two words: its task and its class.
Task: ${TASKS.join(', ')}.
Class: route (a label, a title, yes or no), interactive (somebody waits for an ordinary answer), quality (care matters more than speed), batch (one of many, nobody waits).
Example: code interactive`;

/**
 * Has a small model name task and class, if that costs nobody anything: it is loaded, its lane is free now, and by its
 * measured rates it answers within the budget. It is stopped when the budget is over. Never rejects, never queues.
 */
export function askClassifier(parts: AskParts, asked: Asked, facts: RequestFacts): Promise<Told> | Told {
  const { model, budgetMs } = asked;
  const body = classifierBody(model.id, facts);
  const expectedMs = expectedMsOf(parts.profileOf(model), body.length);
  if (expectedMs === undefined) return { none: `${model.id} has no measured speed` };
  if (expectedMs > budgetMs) {
    return { none: `${model.id} would need ${Math.round(expectedMs)} ms of ${budgetMs} ms` };
  }
  const { clock, lanes, supervisor, placeOf } = parts.serve;
  const { device, slots } = placeOf(model.id);
  const ticket = lanes.tryAdmit({
    device,
    class: 'route',
    model: model.id,
    deadlineMs: clock.nowMs() + budgetMs,
    predictedMs: expectedMs,
    slots,
  });
  if (ticket === undefined) return { none: `${model.id} is busy` };
  const lease = supervisor.tryAcquire(model.id);
  if (lease === undefined) {
    ticket.release();
    return { none: `${model.id} is not loaded` };
  }
  return exchange(parts, asked, { body, ticket, lease });
}

/** Time until the answer is there, ms, by measured rates; undefined where one of them is missing. */
function expectedMsOf(profile: Profile, chars: number): number | undefined {
  const { prefillTokensPerSec, decodeTokensPerSec, prefillFixedMs, charsPerToken } = profile;
  if (prefillTokensPerSec === undefined || decodeTokensPerSec === undefined) return undefined;
  const promptTokens = chars / (charsPerToken?.value ?? CHARS_PER_TOKEN);
  const prefillMs = (promptTokens / prefillTokensPerSec.value) * 1000 + (prefillFixedMs?.value ?? 0);
  return prefillMs + (ANSWER_TOKENS / decodeTokensPerSec.value) * 1000;
}

type Run = { readonly body: string; readonly ticket: LaneTicket; readonly lease: Lease };

function exchange({ serve }: AskParts, { model, budgetMs }: Asked, { body, ticket, lease }: Run): Promise<Told> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let status = 0;
    let isOver = false;
    const finish = (how: 'ok' | 'failed' | 'aborted', told: Told) => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      resolve(told);
      // The lane is free when the engine has stopped, not when we have stopped listening.
      void lease.release(how).finally(() => ticket.release());
    };
    const cancelTimer = serve.clock.after(budgetMs, () => {
      running.abort();
      finish('aborted', { none: `${model.id} did not answer within ${budgetMs} ms` });
    });
    const running = lease.connection.exchange('/v1/chat/completions', body, {
      head: (code) => {
        status = code;
      },
      chunk: (bytes) => {
        chunks.push(bytes);
        return true;
      },
      end: () => {
        const text = Buffer.concat(chunks).toString('utf8');
        // A refusal is an answer: the engine is well, whatever it thinks of the request.
        if (status !== 200) finish('ok', { none: `${model.id} answered with status ${status}` });
        else finish('ok', guessFromReply(model.id, text));
      },
      failed: (error) => finish('failed', { none: `${model.id} failed: ${messageOf(error)}` }),
    });
  });
}

/** The request a model is asked to classify by, as JSON text; its answer is read by {@link guessFromReply}. */
export function classifierBody(
  model: string,
  { systemText, lastUserText }: Pick<RequestFacts, 'systemText' | 'lastUserText'>,
): string {
  const system = systemText === '' ? '' : `Instructions: ${excerpt(systemText)}\n`;
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: INSTRUCTION },
      { role: 'user', content: `${system}Request: ${excerpt(lastUserText)}` },
    ],
    max_tokens: ANSWER_TOKENS,
    temperature: 0,
    stream: false,
    // A model that thinks first would have used up its answer before it gives one.
    chat_template_kwargs: { enable_thinking: false },
  });
}

function excerpt(text: string): string {
  if (text.length <= 2 * EXCERPT_CHARS_PER_END) return text;
  return `${text.slice(0, EXCERPT_CHARS_PER_END)} … ${text.slice(-EXCERPT_CHARS_PER_END)}`;
}

/** The guess in an engine's reply: the task and the class it names, in any order and case; of several, the first of ours. */
export function guessFromReply(model: string, reply: string): Told {
  const words = new Set<string>(
    answerText(reply)
      .toLowerCase()
      .match(/[a-z]+/g),
  );
  const task = TASKS.find((name) => words.has(name));
  const modelClass = MODEL_CLASSES.find((name) => words.has(name));
  if (task === undefined || modelClass === undefined) return { none: `${model} named no task and class` };
  return { by: model, task, taskShare: undefined, class: modelClass, classShare: undefined };
}

function answerText(reply: string): string {
  try {
    const parsed = JSON.parse(reply) as { choices?: { message?: { content?: unknown } }[] };
    const content = parsed.choices?.[0]?.message?.content;
    return typeof content === 'string' ? content : '';
  } catch {
    // Not JSON: whatever it is, it names nothing.
    return '';
  }
}
