import { z } from 'zod';
import { closedMap, duration, environment, positiveDuration, size, text, words } from './schema-values.ts';

/** `gateway`: the front door. */
export const gatewaySchema = closedMap({
  host: text().default('127.0.0.1').describe('Address to listen on. Other than loopback needs API keys.'),
  port: z.int().min(0).max(65_535).default(8080).describe('TCP port; 0 lets the system choose. Needs a restart.'),
  unknown_model: z
    .enum(['reject', 'auto'])
    .default('reject')
    .describe('What to do with a model name nobody knows: refuse with 404, or route as if it were "auto".'),
  body_limit: size().default(16_000_000).describe('Larger request bodies are refused with 413. Default 16MB.'),
  early_headers: duration()
    .default(2000)
    .describe('A stream sends its headers at the latest after this long. Default 2s.'),
  heartbeat: positiveDuration()
    .default(15_000)
    .describe('Gap between heartbeats while an answer has nothing to say yet. Default 15s.'),
  status_hold: positiveDuration()
    .default(240_000)
    .describe(
      'A non-stream answer keeps its true status code this long, then commits 200 and sends white space. Default 240s.',
    ),
  write_timeout: positiveDuration()
    .default(60_000)
    .describe(
      'A client that takes nothing of what is written to it for this long is cut off and its run stopped. Default 60s.',
    ),
  drain: duration().default(30_000).describe('On SIGTERM running requests get this long to finish. Default 30s.'),
  cors: z
    .array(
      z.string().regex(/^(\*|https?:\/\/[^/\s]+)$/, {
        error: 'expected an origin such as https://app.example, without a path, or "*"',
      }),
    )
    .default([])
    .describe(
      'Origins whose pages may use the API from a browser, such as https://app.example; "*": any. Default none.',
    ),
  queue_depth: z
    .int()
    .min(1)
    .max(100_000)
    .default(64)
    .describe('Most requests waiting per lane and class; one more is refused with 429.'),
  record: z
    .enum(['features', 'off'])
    .default('features')
    .describe('What is kept of each request for "policy diff": lengths, counts and flags, never its text; or nothing.'),
  stream_guard: z
    .enum(['off', 'stop'])
    .default('off')
    .describe(
      '"stop" breaks off an answer that has begun to repeat itself; one that is no stream is tried on the next model.',
    ),
}).prefault({});

const readySchema = z.union(
  [
    closedMap({ exit: z.literal(true).describe('The command has ended with code 0.') }),
    closedMap({
      tcp: z
        .string()
        .regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:]+):\d{1,5}$/, { error: 'expected HOST:PORT such as 127.0.0.1:7000' })
        .describe('HOST:PORT accepts a connection.'),
    }),
    closedMap({ http: z.url({ protocol: /^https?$/ }).describe('The URL answers 2xx.') }),
    closedMap({ file: text().describe('The file exists.') }),
  ],
  { error: 'expected one of { exit: true }, { tcp: HOST:PORT }, { http: URL }, { file: PATH }' },
);

const beforeStartSchema = closedMap({
  run: words().min(1).describe('Program and arguments; no shell.'),
  env: environment().default({}).describe('Environment added for this command.'),
  ready: readySchema
    .default({ exit: true })
    .describe('When the step counts as done. Default: the command ends with 0.'),
  timeout: positiveDuration().default(30_000).describe('Start-up fails when it is not ready by then. Default 30s.'),
  keep: z.boolean().default(false).describe('true: the process stays and is stopped together with the gateway.'),
  skip_when_ready: z
    .boolean()
    .default(true)
    .describe('Where `ready` already holds (the daemon runs) the command is not run. Means nothing for exit.'),
}).superRefine((step, context) => {
  if (step.keep && 'exit' in step.ready) {
    context.addIssue({
      code: 'custom',
      path: ['keep'],
      message: 'expected false: a process that is ready when it has ended cannot stay (give ready: tcp, http or file)',
    });
  }
});

/** `machine`: memory, environment and what must run before the first child. */
export const machineSchema = closedMap({
  memory: z
    .union([z.literal('auto'), size()], { error: 'expected auto or a size such as 24GB' })
    .default('auto')
    .describe("Budget all children share; auto is the machine's own memory."),
  reserve: size().default(2_000_000_000).describe('Never given to children. Default 2GB.'),
  environment: environment().default({}).describe('Added to the environment of every child and before_start command.'),
  node_heap: size().optional().describe("V8 old-space limit of the gateway itself; absent: Node's default."),
  before_start: z.array(beforeStartSchema).default([]).describe('Commands run once, in order, before the first child.'),
}).prefault({});
