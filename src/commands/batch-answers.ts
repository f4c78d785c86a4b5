import { textLines } from './text-lines.ts';

/** One line of an output or error file, as far as people want to see it. */
export type BatchLine = {
  /** Line of the input it belongs to. */
  readonly line: number;
  readonly custom_id: string;
  readonly model: string | null;
  /** The answer; null where there is none. */
  readonly text: string | null;
  /** Why there is none; null where there is one. */
  readonly error: string | null;
};

/** The lines of an output or error file, in the file's order. `name` says which it is. */
export async function* readResults(name: string, pieces: AsyncIterable<Uint8Array>): AsyncGenerator<BatchLine> {
  for await (const text of textLines(name, pieces)) yield readResult(text);
}

type ResultLine = {
  readonly id?: string;
  readonly custom_id?: string;
  readonly response?: { readonly body?: Body } | null;
  readonly error?: { readonly message?: string } | null;
};

type Body = {
  readonly model?: string;
  readonly error?: { readonly message?: string } | null;
  readonly choices?: readonly {
    readonly text?: string;
    readonly message?: { readonly content?: unknown; readonly tool_calls?: unknown };
  }[];
  readonly output?: readonly OutputItem[];
  readonly data?: readonly { readonly embedding?: unknown }[];
};

type OutputItem = { readonly type?: string; readonly content?: readonly { readonly text?: string }[] };

function readResult(text: string): BatchLine {
  const { id = '', custom_id = '', response, error } = JSON.parse(text) as ResultLine;
  const body = response?.body ?? {};
  const why = error?.message ?? body.error?.message ?? null;
  return {
    // `batch_req_<batch>_<line>`.
    line: Number(/_(\d+)$/.exec(id)?.[1] ?? 0),
    custom_id,
    model: body.model ?? null,
    text: why === null ? answerOf(body) : null,
    error: why,
  };
}

// What is no text (calls of tools, vectors) is written as JSON.
function answerOf({ choices, output, data }: Body): string | null {
  const choice = choices?.[0];
  if (choice !== undefined) return asText(choice.text ?? choice.message?.content ?? choice.message?.tool_calls);
  if (data !== undefined) return asText(data.length === 1 ? data[0]?.embedding : data.map((item) => item.embedding));
  if (output === undefined) return null;
  const said = output.filter(({ type }) => type === 'message').flatMap(({ content }) => content ?? []);
  if (said.length > 0) return said.map((part) => part.text ?? '').join('');
  return asText(output.filter(({ type }) => type !== 'reasoning'));
}

const asText = (value: unknown): string | null =>
  value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);

/** Results and errors in the order of the input. `errors` must be in it already; there are far fewer of them. */
export async function* inOrder(
  results: AsyncIterable<BatchLine>,
  errors: readonly BatchLine[],
): AsyncGenerator<BatchLine> {
  let next = 0;
  for await (const result of results) {
    for (let error = errors[next]; error !== undefined && error.line < result.line; error = errors[next]) {
      yield error;
      next += 1;
    }
    yield result;
  }
  yield* errors.slice(next);
}

/**
 * Answers alone: line n is the answer to line n of the input, with its line breaks written as `\n`; empty where there is
 * none.
 */
export async function* answerLines(lines: AsyncIterable<BatchLine>): AsyncGenerator<string> {
  let number = 1;
  for await (const { line, text } of lines) {
    // Empty lines of the input, which nobody was asked about.
    for (; number < line; number += 1) yield '';
    yield onOneLine(text ?? '');
    number += 1;
  }
}

/** Text with its backslashes and line breaks escaped, so that it can be read back. */
const onOneLine = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r');
