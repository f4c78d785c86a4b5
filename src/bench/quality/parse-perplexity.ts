import { GatewayError } from '../../core/errors.ts';

/** A figure of llama-perplexity with the standard error it prints behind `+/-` or `±`. */
export type WithError = { readonly value: number; readonly error: number };

/** What a run of llama-perplexity came to. */
export type PerplexityFigures = {
  readonly perplexity: WithError;
  /** Pieces of the text it was computed over, and tokens of each; undefined where the log does not say. */
  readonly chunks: number | undefined;
  readonly contextTokens: number | undefined;
  /** Against the logits of a base model (`--kl-divergence`): nats per token, and the share of equal first choices, 0..1. */
  readonly klDivergence: WithError | undefined;
  readonly sameTopToken: WithError | undefined;
};

// As tools/perplexity of llama.cpp prints them (seen with builds 4000 to 11669). The final line goes to stderr with a time
// and a level before it, sometimes behind an unfinished line of progress; the tables go to stdout.
const FINAL = /Final estimate: PPL = *(\S+) \+\/- *(\S+)/;
const MEAN_Q = /^Mean PPL\(Q\) *: *(\S+) *(?:±|\+\/-) *(\S+)/;
const MEAN_KLD = /^Mean +KLD: *(\S+) *(?:±|\+\/-) *(\S+)/;
const SAME_TOP = /^Same top p: *(\S+) *(?:±|\+\/-) *(\S+) *%/;
const SIZE = /over (\d+) chunks, n_ctx=(\d+)/;
const TABLE = /^chunk +PPL +ln\(PPL\(Q\)\/PPL\(base\)\)/;

/**
 * Reads what llama-perplexity printed, stdout and stderr in one file or only the one that has the figures. Throws
 * `invalid_config` with `FILE:LINE` for a run that was cut off, two runs in one file, and figures that are no numbers.
 */
export function parsePerplexity(text: string, file: string): PerplexityFigures {
  const lines = text.split(/\r\n?|\n/);
  const search = { lines, file };
  const final = findOnce(search, FINAL);
  const table = findOnce(search, TABLE);
  const meanQ = findOnce(search, MEAN_Q);
  const kld = findOnce(search, MEAN_KLD);
  const sameTop = findOnce(search, SAME_TOP);
  if (table !== undefined || meanQ !== undefined) {
    const missing = [meanQ ?? 'Mean PPL(Q)', kld ?? 'Mean KLD', sameTop ?? 'Same top p'].find(
      (one) => typeof one === 'string',
    );
    if (typeof missing === 'string') {
      const line = (table ?? meanQ)?.line ?? 1;
      throw refusal(file, line, `the comparison that begins here has no line "${missing}": the run was cut off`);
    }
  }
  const found = meanQ ?? final;
  if (found === undefined) {
    const last = lines.findLastIndex((line) => line.trim() !== '') + 1;
    throw refusal(
      file,
      Math.max(1, last),
      'no line "Final estimate: PPL = … +/- …" up to here: the run was cut off, or its stderr was not kept',
    );
  }
  const size = findFirst(lines, SIZE);
  const perplexity = withError(found, file, 1);
  if (perplexity.value < 1)
    throw refusal(file, found.line, `a perplexity of ${perplexity.value}; 1 is the least there is`);
  return {
    perplexity,
    chunks: size && Number(size[1]),
    contextTokens: size && Number(size[2]),
    klDivergence: kld && withError(kld, file, 1),
    sameTopToken: sameTop && withError(sameTop, file, 0.01),
  };
}

type Found = { readonly line: number; readonly value: string; readonly error: string };

function findOnce({ lines, file }: { lines: readonly string[]; file: string }, pattern: RegExp): Found | undefined {
  let found: Found | undefined;
  for (const [index, line] of lines.entries()) {
    const match = pattern.exec(line);
    if (match === null) continue;
    if (found !== undefined) {
      throw refusal(file, index + 1, `a second result; the first one is in line ${found.line}. One run per file`);
    }
    found = { line: index + 1, value: match[1] ?? '', error: match[2] ?? '' };
  }
  return found;
}

function findFirst(lines: readonly string[], pattern: RegExp): RegExpExecArray | undefined {
  for (const line of lines) {
    const match = pattern.exec(line);
    if (match !== null) return match;
  }
  return undefined;
}

function withError({ line, value, error }: Found, file: string, scale: number): WithError {
  const [one, two] = [value, error].map(Number);
  if (one === undefined || two === undefined || !Number.isFinite(one) || !Number.isFinite(two) || two < 0) {
    throw refusal(file, line, `expected two numbers, found "${value}" and "${error}"`);
  }
  return { value: one * scale, error: two * scale };
}

const refusal = (file: string, line: number, what: string): GatewayError =>
  new GatewayError(
    'invalid_config',
    `${file}:${line}: ${what}. Nothing was taken from it; keep both outputs with: llama-perplexity … > FILE 2>&1`,
  );
