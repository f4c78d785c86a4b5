import { describe, expect, it } from 'vitest';
import { type RequestContext, readBatchRequest, readExpiry } from '../../src/batch/batch-request.ts';
import { GatewayError } from '../../src/core/errors.ts';

const nowMs = Date.parse('2026-11-21T20:00:00Z');
const HOUR_MS = 3_600_000;
const context: RequestContext = {
  nowMs,
  timezone: 'Europe/Berlin',
  minQuality: 0.4,
  checkModel: (name) => {
    if (name !== 'big') throw new GatewayError('model_not_found', `no model "${name}"`, { param: 'metadata.x_model' });
  },
};
const plain = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' };
const read = (more: object = {}) => readBatchRequest({ ...plain, ...more }, context);
const withMetadata = (metadata: unknown) => read({ metadata });

function faultOf(call: () => unknown): { readonly param: string | undefined; readonly message: string } {
  try {
    call();
  } catch (error) {
    if (error instanceof GatewayError) return { param: error.details.param, message: error.message };
    throw error;
  }
  throw new Error('it was accepted');
}

describe('the request for a batch', () => {
  it('needs a file, an endpoint and a completion window', () => {
    expect(read()).toEqual({
      endpoint: '/v1/chat/completions',
      inputFile: 'file-1',
      completionWindow: '24h',
      metadata: undefined,
      outputLifeMs: undefined,
      when: { kind: 'policy' },
      deadlineMs: nowMs + 24 * HOUR_MS,
      hasDeadline: false,
      model: undefined,
      minQuality: 0.4,
    });
  });

  it('may say in its metadata when, by when and with what it is run, and keeps what else is there', () => {
    const metadata = { x_window: 'now', x_deadline: '07:00', x_model: 'big', x_min_quality: '0.7', project: 'x' };
    expect(withMetadata(metadata)).toMatchObject({
      metadata,
      when: { kind: 'now' },
      deadlineMs: Date.parse('2026-11-22T06:00:00Z'),
      hasDeadline: true,
      model: 'big',
      minQuality: 0.7,
    });
  });

  it('may name windows, or none by the policy’s own word for it', () => {
    const text = 'Mon-Fri 22:00-07:00; Sat-Sun 00:00-24:00 UTC';
    expect(withMetadata({ x_window: text }).when).toEqual({ kind: 'windows', text });
    expect(withMetadata({ x_window: 'always' }).when).toEqual({ kind: 'now' });
  });

  it('never goes below the quality of the class', () => {
    expect(withMetadata({ x_min_quality: '0.1' }).minQuality).toBe(0.4);
  });

  it('takes null for what is not there, as some clients write it', () => {
    expect(read({ metadata: null, output_expires_after: null })).toEqual(read());
  });

  it('says how long its results are kept', () => {
    expect(read({ output_expires_after: { anchor: 'created_at', seconds: 3600 } }).outputLifeMs).toBe(HOUR_MS);
  });

  it.each<[string, object, string, RegExp]>([
    ['no file', { input_file_id: undefined }, 'input_file_id', /id of a file/],
    ['a file that is no text', { input_file_id: 7 }, 'input_file_id', /id of a file/],
    ['another endpoint', { endpoint: '/v1/images' }, 'endpoint', /v1\/embeddings/],
    ['no window', { completion_window: undefined }, 'completion_window', /"24h"/],
    ['a window without a unit', { completion_window: '24' }, 'completion_window', /duration/],
    ['no time at all', { completion_window: '0h' }, 'completion_window', /above zero/],
    ['more than a timer can wait', { completion_window: '25d' }, 'completion_window', /at most/],
    ['metadata that is a list', { metadata: [] }, 'metadata', /object of texts/],
    ['a number in it', { metadata: { a: 1 } }, 'metadata.a', /must be a text/],
    [
      'too much of it',
      { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, n) => [`k${n}`, 'v'])) },
      'metadata',
      /16/,
    ],
    ['a long name', { metadata: { ['k'.repeat(65)]: 'v' } }, 'metadata', /64 characters/],
    ['a long text', { metadata: { k: 'v'.repeat(513) } }, 'metadata', /512 of text/],
    ['a window nobody can read', { metadata: { x_window: 'at night' } }, 'metadata.x_window', /Mon-Fri/],
    ['a zone nobody knows', { metadata: { x_window: '22:00-07:00 Mars/Base' } }, 'metadata.x_window', /time zone/],
    ['a deadline nobody can read', { metadata: { x_deadline: 'soon' } }, 'metadata.x_deadline', /07:00/],
    ['a date without a time', { metadata: { x_deadline: '2026-11-22' } }, 'metadata.x_deadline', /07:00/],
    ['a deadline that has passed', { metadata: { x_deadline: '2026-11-21T07:00Z' } }, 'metadata.x_deadline', /passed/],
    ['one in another century', { metadata: { x_deadline: '2126-11-21T07:00Z' } }, 'metadata.x_deadline', /24 days/],
    ['a model nobody has', { metadata: { x_model: 'gpt-9' } }, 'metadata.x_model', /gpt-9/],
    ['a quality above one', { metadata: { x_min_quality: '1.5' } }, 'metadata.x_min_quality', /0 to 1/],
    ['a quality that is empty', { metadata: { x_min_quality: ' ' } }, 'metadata.x_min_quality', /0 to 1/],
    [
      'a life from another moment',
      { output_expires_after: { anchor: 'now', seconds: 3600 } },
      'output_expires_after.anchor',
      /created_at/,
    ],
    [
      'a life that is too short',
      { output_expires_after: { anchor: 'created_at', seconds: 3599 } },
      'output_expires_after.seconds',
      /3600/,
    ],
    ['a life that is no object', { output_expires_after: 5 }, 'output_expires_after.anchor', /created_at/],
  ])('with %s is refused, and the field named', (_, more, param, message) => {
    const fault = faultOf(() => read(more));
    expect(fault.param).toBe(param);
    expect(fault.message).toMatch(message);
  });
});

describe('the life of a file', () => {
  it.each([3600, '3600', 2_592_000])('may be %j seconds', (seconds) => {
    expect(readExpiry('created_at', seconds, 'expires_after')).toBe(Number(seconds) * 1000);
  });

  it.each([undefined, '', 3600.5, 2_592_001, -1, 'soon'])('may not be %j', (seconds) => {
    expect(faultOf(() => readExpiry('created_at', seconds, 'expires_after')).param).toBe('expires_after.seconds');
  });
});
