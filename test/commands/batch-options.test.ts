import { Command, CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import {
  addSubmitOptions,
  batchBody,
  checkSubmitOptions,
  givenKind,
  parseAge,
  type SubmitOptions,
} from '../../src/commands/batch-options.ts';

function read(...args: readonly string[]): SubmitOptions {
  const command = addSubmitOptions(new Command('submit')).exitOverride();
  command.configureOutput({ writeErr: () => {} });
  command.parse([...args], { from: 'user' });
  return command.opts();
}

describe('batchBody', () => {
  const body = (...args: readonly string[]) => batchBody('file-1', '/v1/chat/completions', read(...args));
  const plain = { input_file_id: 'file-1', endpoint: '/v1/chat/completions', completion_window: '24h' };

  it('asks for what the options say', () => {
    expect(body()).toEqual(plain);
    const notes = ['--metadata', 'team=a=b', '--metadata', 'night=1'];
    expect(body('--model', 'big', '--window', 'now', '--min-quality', '0.7', '--deadline', '07:00', ...notes)).toEqual({
      ...plain,
      metadata: {
        ...{ team: 'a=b', night: '1' },
        ...{ x_model: 'big', x_window: 'now', x_deadline: '07:00', x_min_quality: '0.7' },
      },
    });
  });

  it('takes a duration for the completion window', () => {
    expect(body('--deadline', '36h')).toEqual({ ...plain, completion_window: '36h' });
  });
});

describe('options of sluice batch submit', () => {
  it.each([
    [['--metadata', 'night'], 'expected KEY=VALUE'],
    [['--metadata', '=x'], 'expected KEY=VALUE'],
    [['--endpoint', 'images'], 'expected one of /v1/chat/completions'],
    [['--max-tokens', '0'], 'expected a whole number from 1 on'],
    [['--max-tokens', '1e3'], 'expected a whole number from 1 on'],
  ])('%j are refused with a reason', (args, reason) => {
    expect(() => read(...args)).toThrow(CommanderError);
    expect(() => read(...args)).toThrow(reason);
  });

  it('name an endpoint with or without its version', () => {
    expect(read('--endpoint', 'embeddings').endpoint).toBe('/v1/embeddings');
    expect(read('--endpoint', '/v1/responses').endpoint).toBe('/v1/responses');
  });

  it('fit what the file holds', () => {
    const options = read('--system', 'Be brief', '--max-tokens', '5');
    expect(() => checkSubmitOptions(options, 'text', '/v1/chat/completions')).not.toThrow();
    expect(() => checkSubmitOptions(options, 'jsonl', '/v1/chat/completions')).toThrow('--system is for plain text');
    expect(() => checkSubmitOptions(options, 'text', '/v1/completions')).toThrow('knows no system prompt');
    expect(() => checkSubmitOptions(read('--max-tokens', '5'), 'text', '/v1/embeddings')).toThrow('no output tokens');
    expect(() => givenKind(read('--text', '--jsonl'))).toThrow('exclude each other');
    expect(givenKind(read('--text'))).toBe('text');
    expect(givenKind(read())).toBeUndefined();
  });
});

describe('parseAge', () => {
  it('knows more days than a timer can wait', () => {
    expect(parseAge('90d')).toBe(90 * 86_400_000);
    expect(parseAge('12h')).toBe(12 * 3_600_000);
    expect(() => parseAge('7')).toThrow('expected a duration');
    expect(() => parseAge('')).toThrow('expected a duration');
  });
});
