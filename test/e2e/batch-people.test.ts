import OpenAI, { toFile } from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import {
  demoPolicy,
  type Parsed,
  type PolicyFile,
  question,
  sentenceOf,
  startTestGateway,
  type TestGateway,
  until,
} from '../helpers/gateway.ts';

// A batch on a heavy tier, and people who ask for something meanwhile: they do not wait for it, and it goes on where it was.

const TOKENS = 120;
let gateway: TestGateway;
afterEach(async () => {
  await gateway?.stop();
});

function policyOf(memory: string, batch: Record<string, unknown> = {}): PolicyFile {
  const policy = demoPolicy(['demo-1.7b', 'demo-27b']);
  Object.assign(policy.runtimes['llama']?.['settings'] ?? {}, { threads: 1 });
  policy.machine['memory'] = memory;
  for (const model of Object.values(policy.models)) model['keep'] = { idle: '5m' };
  policy.classes = {
    interactive: { prefer: 'demo-1.7b', e2e: '1s' },
    batch: { prefer: 'demo-27b', output_tokens: TOKENS, window: '00:00-24:00' },
  };
  Object.assign(policy.models['demo-27b'] ?? {}, { classes: ['batch'] });
  policy.batch = { load_max: 1, swap_back: '200ms', ...batch };
  return policy;
}

const long = { ...question(), ignore_eos: true, max_tokens: TOKENS, temperature: 0 };

async function submit(body: object): Promise<{ readonly id: string; readonly openai: OpenAI }> {
  const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const line = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body });
  const file = await openai.files.create({ file: await toFile(Buffer.from(line), 'a.jsonl'), purpose: 'batch' });
  const given = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' } as const;
  const { id } = await openai.batches.create({ ...given, metadata: { x_model: 'demo-27b' } });
  return { id, openai };
}

async function resultOf({ id, openai }: { readonly id: string; readonly openai: OpenAI }) {
  let batch: Parsed;
  await until(
    `the end of ${id}`,
    async () => {
      batch = await openai.batches.retrieve(id);
      return batch.status === 'completed';
    },
    60_000,
  );
  const text = await (await openai.files.content(batch.output_file_id)).text();
  return { batch, body: JSON.parse(text).response.body as Parsed };
}

/** Waits until the item has produced some tokens. */
const untilDecoding = (): Promise<unknown> =>
  until('the item decodes', async () => {
    const slot = await gateway.slot('demo-27b').catch(() => undefined);
    return slot?.is_processing === true && (slot.next_token?.[0]?.n_decoded ?? 0) >= 10;
  });

/** The answer to the same request without anybody in its way. */
async function undisturbed(body: object = long): Promise<string> {
  const reply = await gateway.chat({ ...body, model: 'demo-27b' });
  return JSON.parse(reply.text).choices[0].message.content;
}

/**
 * What of an answer of the demo tier is not whole sentences: its end, and the place where it was continued. The tier knows
 * no more than which token follows on which, so after a text that is cut inside of one of its tokens ("batches") it begins its
 * sentence again; nothing may be missing or stand twice before.
 */
function piecesOf(answer: string): readonly string[] {
  const sentence = `${sentenceOf('demo-27b')} `;
  const pieces = answer.split(sentence).filter((piece) => piece !== '');
  for (const piece of pieces) expect(sentence.startsWith(piece), piece).toBe(true);
  return pieces;
}

describe('somebody who asks while an item runs', () => {
  it('is answered at once, and the item stands still meanwhile where their models fit side by side', async () => {
    gateway = await startTestGateway(policyOf('12GB'));
    const shorter = { ...long, max_tokens: 50 };
    const expected = await undisturbed(shorter);
    await gateway.chat(question({ model: 'demo-1.7b' }));
    const submitted = await submit(shorter);
    await untilDecoding();
    const answer = await gateway.chat(question({ model: 'auto:interactive' }));
    expect(JSON.parse(answer.text).choices[0].message.content).toBe(sentenceOf('demo-1.7b'));
    const { batch, body } = await resultOf(submitted);
    expect(body.choices[0].message.content).toBe(expected);
    expect(body.usage.completion_tokens).toBe(50);
    expect(body.x_router.actual.paused_ms).toBeGreaterThan(0);
    expect(body.x_router.resumed_after_tokens).toBeUndefined();
    expect(batch.x_router).toMatchObject({ preempted: 0, lost_ms: 0 });
  });

  it('is answered at once by a model that has to be loaded, and the item goes on where it was', async () => {
    gateway = await startTestGateway(policyOf('12GB'));
    const submitted = await submit(long);
    await untilDecoding();
    const answer = await gateway.chat(question({ model: 'auto:interactive' }));
    expect(JSON.parse(answer.text).choices[0].message.content).toBe(sentenceOf('demo-1.7b'));
    const { batch, body } = await resultOf(submitted);
    expect(piecesOf(body.choices[0].message.content).length).toBeLessThanOrEqual(2);
    expect(body.usage.completion_tokens).toBe(TOKENS);
    expect(body.x_router.resumed_after_tokens).toBeGreaterThan(5);
    expect(batch.x_router.preempted).toBe(1);
    expect(batch.x_router.lost_ms).toBeLessThan(body.x_router.actual.decode_ms);
  });

  it('may need its memory: the slot is saved, and comes back with the model', async () => {
    gateway = await startTestGateway(policyOf('800MB'));
    const submitted = await submit(long);
    await untilDecoding();
    const answer = await gateway.chat(question({ model: 'auto:interactive' }));
    expect(JSON.parse(answer.text).choices[0].message.content).toBe(sentenceOf('demo-1.7b'));
    const evicted = gateway.events.filter(({ kind }) => kind === 'child.evicted');
    expect(evicted[0]).toMatchObject({ model: 'demo-27b', for: 'demo-1.7b' });
    const { body } = await resultOf(submitted);
    expect(body.usage.completion_tokens).toBe(TOKENS);
    expect(body.x_router.resumed_after_tokens).toBeGreaterThan(5);
    // What the slot held need not be read again.
    expect(body.x_router.actual.cached_tokens).toBeGreaterThan(body.x_router.resumed_after_tokens);
    expect(piecesOf(body.choices[0].message.content).length).toBeLessThanOrEqual(2);
  });

  it('waits for an item that the policy lets finish', async () => {
    gateway = await startTestGateway(policyOf('12GB', { yield: 'finish' }));
    const submitted = await submit({ ...long, max_tokens: 40 });
    await untilDecoding();
    await gateway.chat(question({ model: 'auto:interactive' }));
    const { batch, body } = await resultOf(submitted);
    expect(batch.x_router.preempted).toBe(0);
    expect(body.usage.completion_tokens).toBe(40);
  });

  it('makes an item start again that cannot go on in the middle', async () => {
    gateway = await startTestGateway(policyOf('12GB', { yield: 'stop' }));
    const submitted = await submit(long);
    await untilDecoding();
    await gateway.chat(question({ model: 'auto:interactive' }));
    const { batch, body } = await resultOf(submitted);
    expect(body.usage.completion_tokens).toBe(TOKENS);
    expect(body.x_router.resumed_after_tokens).toBeUndefined();
    expect(batch.x_router.preempted).toBe(1);
    expect(batch.x_router.lost_ms).toBeGreaterThan(0);
  });
});
