import type { Task } from '../../src/core/classes.ts';
import type { Clock } from '../../src/core/clock.ts';
import type { SimulatedRequest } from '../../src/simulate/workload.ts';

/** What became of a request, as its client saw it. Times in ms of the board. */
export type Answered = {
  readonly index: number;
  readonly status: number;
  readonly model: string | undefined;
  readonly task: string | undefined;
  /** By the gateway where the answer came in one piece. */
  readonly ttftMs: number | undefined;
  readonly e2eMs: number;
  readonly outputTokens: number | undefined;
  /** How much later than planned the request was sent. */
  readonly lateMs: number;
};

/** How a trace is sent. */
export type SendOptions = {
  readonly speed: number;
  readonly clock: Clock;
  readonly onDone: (done: number) => void;
};

/** Sends every request at its time, whatever became of those before, and waits for all answers. */
export async function sendTrace(
  url: string,
  requests: readonly SimulatedRequest[],
  { speed, clock, onDone }: SendOptions,
): Promise<readonly Answered[]> {
  const beganMs = clock.monotonicMs();
  let done = 0;
  const running: Promise<Answered>[] = [];
  for (const request of requests) {
    const dueMs = beganMs + request.atMs / speed;
    await clock.sleep(Math.max(0, dueMs - clock.monotonicMs()));
    const sent = send(url, request, { speed, clock, dueMs });
    running.push(
      sent.finally(() => {
        done += 1;
        onDone(done);
      }),
    );
  }
  return Promise.all(running);
}

async function send(
  url: string,
  request: SimulatedRequest,
  { speed, clock, dueMs }: Pick<SendOptions, 'speed' | 'clock'> & { readonly dueMs: number },
): Promise<Answered> {
  const sentMs = clock.monotonicMs();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(bodyOf(request)),
  });
  const { text, firstMs } = await readReply(response, clock);
  const endMs = clock.monotonicMs();
  const told = routerOf(text);
  const board = (ms: number): number => Math.round(ms * speed);
  return {
    index: request.index,
    status: response.status,
    model: response.headers.get('x-router-model') ?? undefined,
    task: told?.task,
    // From when it should have been sent: a sender that is late must not make the gateway look quick.
    ttftMs: request.stream && firstMs !== undefined ? board(firstMs - dueMs) : told?.actual?.ttft_ms,
    e2eMs: board(endMs - dueMs),
    outputTokens: told?.actual?.output_tokens,
    lateMs: board(sentMs - dueMs),
  };
}

/** Words by which the classifier knows the task; what follows is only length. */
const OPENINGS: Readonly<Record<Task, string>> = {
  chat: 'Hey, how was your weekend? I just wanted to chat a bit.',
  qa: 'What is the capital of Australia, and why is it not Sydney?',
  summarize: 'Summarize the following text in three sentences:',
  extract: 'Extract all names and dates from this text as a list:',
  rewrite: 'Rewrite this paragraph so that it sounds more polite:',
  code: 'Write a Python function that parses this log line, and fix the bug in my code:',
  reasoning: 'Think step by step and solve this logic puzzle:',
  creative: 'Write a short story about a lighthouse keeper:',
};

function bodyOf(request: SimulatedRequest): object {
  // The number first: no two prompts begin alike, so nothing is found in a cache that the simulation does not have.
  const text = `${request.index}: ${OPENINGS[request.task]} `;
  const content = text.padEnd(request.promptChars, FILLING).slice(0, request.promptChars);
  return {
    model: `auto:${request.class}`,
    messages: [{ role: 'user', content }],
    stream: request.stream,
    simulated: {
      prompt_tokens: request.promptTokens,
      output_tokens: request.outputTokens,
      prefill_factor: request.noise.prefill,
      decode_factor: request.noise.decode,
    },
  };
}

const FILLING = 'the river runs down to the sea and the wind goes round in the hills ';

async function readReply(
  response: Response,
  clock: Clock,
): Promise<{ readonly text: string; readonly firstMs: number | undefined }> {
  const decoder = new TextDecoder();
  let text = '';
  let firstMs: number | undefined;
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece as Uint8Array, { stream: true });
    if (firstMs === undefined && /"(content|reasoning_content)":"[^"]/.test(text)) firstMs = clock.monotonicMs();
  }
  return { text, firstMs };
}

type Told = {
  readonly task?: string;
  readonly actual?: { readonly ttft_ms?: number; readonly output_tokens?: number };
};

function routerOf(text: string): Told | undefined {
  const lines = text.startsWith('data: ') || text.startsWith(':') ? text.split('\n').filter(isEvent) : [text];
  for (const line of lines.toReversed()) {
    try {
      const { x_router: told } = JSON.parse(line.replace(/^data: /, '')) as { readonly x_router?: Told };
      if (told !== undefined) return told;
    } catch {
      // `[DONE]`, or an answer that is no JSON: the status tells.
    }
  }
  return undefined;
}

const isEvent = (line: string): boolean => line.startsWith('data: {');
