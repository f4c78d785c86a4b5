import { GatewayError } from '../core/errors.ts';
import { NPU_TIER_ID } from '../demo/demo-policy.ts';
import type { encodeExplanation } from '../http/explanation.ts';
import type { encodeModels } from '../http/status.ts';
import type { encodeActual, encodePrediction } from '../serve/x-router.ts';
import { askGateway } from './ask-gateway.ts';

/** One request of the demo and what came of it. Times in ms, end to end. */
export type AnsweredRequest = {
  readonly class: string;
  /** What in the request made it this class. */
  readonly asked: string;
  readonly model: string;
  /** Process that answered. */
  readonly pid: number | null;
  readonly predictedMs: number;
  readonly actualMs: number;
  readonly basis: string;
  readonly reason: string;
  readonly text: string;
};

type DemoRequest = { readonly class: string; readonly asked: string; readonly body: object };

const say = (content: string) => [{ role: 'user', content }];

const DEMO_REQUESTS: readonly DemoRequest[] = [
  {
    class: 'route',
    asked: 'at most 32 tokens wanted',
    body: { model: 'auto', max_tokens: 32, messages: say('Give this conversation a short title: my disk is full.') },
  },
  {
    class: 'interactive',
    asked: 'an ordinary question',
    body: { model: 'auto', messages: say('How do I list large files?') },
  },
  {
    class: 'quality',
    asked: 'model "auto:quality"',
    body: { model: 'auto:quality', messages: say('Review my backup plan.') },
  },
  {
    class: 'batch',
    asked: 'model "auto:batch"',
    body: { model: 'auto:batch', messages: say('Summarise the log of the day.') },
  },
];

type Explanation = ReturnType<typeof encodeExplanation>;
type Targets = { readonly route: number; readonly interactive: number; readonly quality: number };

/**
 * Latency targets that tell the demo's models apart on this machine: for each class the geometric mean of what the
 * fitting model and the next slower one are predicted to take for the class's own request.
 */
export async function predictDemoTargets(url: string, tiers: { readonly hasNpu: boolean }): Promise<Targets> {
  const between = async (name: string, fitting: string, ...slower: readonly string[]): Promise<number> => {
    const body = DEMO_REQUESTS.find((request) => request.class === name)?.body;
    const answer = (await ask(url, '/router/explain', JSON.stringify(body))) as Explanation;
    const e2eMs = (model: string) => answer.candidates.find((one) => one.model === model)?.predicted?.e2e_ms;
    const low = e2eMs(fitting) ?? Number.NaN;
    for (const high of slower.map(e2eMs)) {
      // The policy has whole milliseconds; rounded onto one of the two, a target tells nothing apart.
      const target = Math.round(Math.sqrt(low * (high ?? Number.NaN)));
      if (low < target && target < (high ?? Number.NaN)) return target;
    }
    const why = answer.candidates.map(({ model, reason }) => `${model}: ${reason}`).join('; ');
    throw new GatewayError(
      'runtime_failed',
      `${slower.join(' or ')} is not predicted to be slower than ${fitting} here (${why}); run again when the machine is idle, with another --data to measure anew`,
    );
  };
  return {
    route: tiers.hasNpu
      ? // Its speed is a setting, so a fast CPU may beat it: then the target lies below the next tier.
        await between('route', NPU_TIER_ID, 'demo-1.7b', 'demo-4b')
      : await between('route', 'demo-1.7b', 'demo-4b'),
    interactive: await between('interactive', 'demo-4b', 'demo-9b'),
    quality: await between('quality', 'demo-9b', 'demo-27b'),
  };
}

type Reply = {
  readonly choices: readonly { readonly message: { readonly content: string } }[];
  readonly x_router: {
    readonly model: string;
    readonly class: string;
    readonly reason: string;
    readonly predicted: ReturnType<typeof encodePrediction>;
    readonly actual: ReturnType<typeof encodeActual>;
  };
};

/** Sends one request per class, one after the other, and returns who answered and how long it took. */
export async function askDemoRequests(url: string): Promise<readonly AnsweredRequest[]> {
  const answers: AnsweredRequest[] = [];
  for (const { asked, body } of DEMO_REQUESTS) {
    const reply = (await ask(url, '/v1/chat/completions', JSON.stringify(body))) as Reply;
    const { models } = (await ask(url, '/router/models')) as { models: ReturnType<typeof encodeModels> };
    const { x_router: route } = reply;
    answers.push({
      class: route.class,
      asked,
      model: route.model,
      pid: models.find(({ id }) => id === route.model)?.pid ?? null,
      predictedMs: route.predicted.e2e_ms,
      actualMs: route.actual.e2e_ms ?? Number.NaN,
      basis: route.predicted.basis,
      reason: route.reason,
      text: reply.choices[0]?.message.content ?? '',
    });
  }
  return answers;
}

async function ask(url: string, path: string, body?: string): Promise<unknown> {
  return askGateway({ url, key: undefined }, path, body);
}
