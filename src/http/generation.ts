import type { IncomingMessage, ServerResponse } from 'node:http';
import { classify } from '../classify/classify.ts';
import { recordFeatures } from '../classify/record-features.ts';
import type { Task } from '../core/classes.ts';
import type { ClientPolicy } from '../core/client-policy.ts';
import type { Decision, Workload } from '../core/decision.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { RequestFeatures } from '../core/features.ts';
import { drawOf, type RequestId, requestId } from '../core/ids.ts';
import type { Policy } from '../core/policy.ts';
import { type RequestFacts, withGuess } from '../core/request.ts';
import type { DecodedGeneration, GenerationCodec } from '../dialects/codec.ts';
import type { RequestRun, ServeJob } from '../serve/job.ts';
import { startRequest } from '../serve/request-run.ts';
import { Answer } from './answer.ts';
import { checkIn, headerOf } from './check-in.ts';
import { pinEmbeddings } from './embedding-model.ts';
import { retryHeaders, statusOf } from './error-status.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';
import type { ReplyTarget } from './reply-target.ts';
import { answerResidency, keepingSink } from './residency.ts';
import { routeRequest } from './route-request.ts';

/** Handles one request on Node's own objects. */
export type NodeHandler = (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;

/**
 * The endpoint of one codec, such as `POST /v1/chat/completions`. Works on Node's request and response, not on web
 * streams: bytes go from the engine's socket to the client's without a wrapper in between, which is what makes the
 * gateway's share of the latency small.
 */
export function createGenerationHandler(parts: HttpParts, codec: GenerationCodec): NodeHandler {
  return async (incoming, outgoing) => {
    const arrival = arrivalOf(parts, incoming);
    if (codec.requestIdHeader !== undefined) outgoing.setHeader(codec.requestIdHeader, arrival.requestId);
    const exchange: HttpExchange = { incoming, response: outgoing, outgoing, isRecorded: false };
    try {
      await answerGeneration({ parts, codec }, arrival, exchange);
    } catch (thrown) {
      const error = toGatewayError(parts, thrown);
      if (!exchange.isRecorded) tellRejected(parts, { ...arrival, endpoint: `POST ${codec.path}` }, error);
      refuse(exchange, { id: arrival.requestId, codec }, error);
    }
  };
}

type Arrival = Pick<ServeJob, 'requestId' | 'receivedMs' | 'receivedAtMs' | 'traceParent'>;
type HttpExchange = {
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
  /** Where the answer is written: the response, or for a request with a key whoever else sends the same. */
  outgoing: ReplyTarget;
  /** True once there is a record of how it ended. */
  isRecorded: boolean;
};

function arrivalOf(parts: HttpParts, incoming: IncomingMessage): Arrival {
  const given = incoming.headers['x-request-id'];
  const { traceparent } = incoming.headers;
  return {
    requestId: requestId(typeof given === 'string' && ID.test(given) ? given : `req_${parts.clock.randomHex(12)}`),
    receivedMs: parts.clock.monotonicMs(),
    receivedAtMs: parts.clock.nowMs(),
    traceParent: typeof traceparent === 'string' && TRACE_PARENT.test(traceparent) ? traceparent : undefined,
  };
}

const ID = /^[\w.:-]{1,128}$/;
const TRACE_PARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

type Endpoint = { readonly parts: HttpParts; readonly codec: GenerationCodec };

async function answerGeneration({ parts, codec }: Endpoint, arrival: Arrival, exchange: HttpExchange): Promise<void> {
  const { incoming, response } = exchange;
  const client = checkIn(parts, incoming);
  const bytes = await readBody(incoming, parts.policy().gateway.bodyBytesMax);
  const header = (name: string) => headerOf(incoming, name);
  const key = header('idempotency-key');
  if (key !== undefined) {
    const keyed = { client: client?.name ?? 'anonymous', key, path: codec.path, body: bytes };
    const shared = parts.idempotency.take(keyed, response);
    if (shared === undefined) return;
    exchange.outgoing = shared;
  }
  const { outgoing } = exchange;
  const decoded = codec.decode(bytes, header);
  if (parts.isStarting()) await parts.started();
  if (decoded.residency !== undefined) {
    const leave = parts.limits.enter(client, { requestId: arrival.requestId, tokens: 0, expectedMs: 0 });
    const answer = createAnswer({ parts, codec }, arrival, {
      outgoing,
      decoded,
      client: client?.name,
      promptTokens: 0,
      run: () => undefined,
    });
    return answerResidency(parts, { client, decoded, answer, outgoing, leave });
  }
  // A turn of the event loop is spent only where a model is asked.
  const completed = completeFacts(parts, decoded.facts, client);
  const facts = completed instanceof Promise ? await completed : completed;
  const asked = toWorkload(parts, facts, client);
  const isBrief = !parts.keepsDecision();
  const features = isBrief ? undefined : featuresOf(parts.policy(), facts, asked.task);
  const routed = routeRequest(parts, { asked, draw: drawOf(arrival.requestId), body: decoded.chatBody, isBrief });
  const { workload, decision } = routed instanceof Promise ? await routed : routed;
  // Its `close` has been and gone while we waited, so nothing would ever stop the run.
  if (outgoing.destroyed) throw new GatewayError('cancelled', 'the client left before its request was begun');
  if (decision.kind === 'refused') {
    recordRefusal(parts, { arrival, client, workload, features, decision });
    exchange.isRecorded = true;
    throw refusalError(decision);
  }
  const { promptTokens, outputTokensMedian, e2eMedianMs } = decision.predicted;
  const tokens = promptTokens + outputTokensMedian;
  const leave = parts.limits.enter(client, { requestId: arrival.requestId, tokens, expectedMs: e2eMedianMs });
  let run: RequestRun | undefined;
  const answer = createAnswer({ parts, codec }, arrival, {
    outgoing,
    decoded,
    client: client?.name,
    promptTokens: Math.round(promptTokens),
    run: () => run,
  });
  answer.routed({ model: decision.model, class: workload.class, reason: decision.reason });
  outgoing.once('close', () => {
    // Also after a finished answer; aborting a run that has ended does nothing.
    run?.abort();
    answer.close();
    leave();
  });
  const { keep } = decoded;
  run = startRequest(
    parts.serve,
    {
      // No spread where every request passes: V8 gives each such object a shape of its own, and every reader of it misses.
      requestId: arrival.requestId,
      receivedMs: arrival.receivedMs,
      receivedAtMs: arrival.receivedAtMs,
      traceParent: arrival.traceParent,
      client: client?.name ?? 'anonymous',
      workload,
      features,
      yieldsTo: parts.policy().classes[workload.class].yieldTo,
      decision,
      path: decoded.enginePath,
      bodyFor: (model) => decoded.engineBody(model, workload.outputTokensMax),
    },
    keep === undefined ? answer : keepingSink(answer, (model) => parts.supervisor.keep(model, keep)),
  );
}

type AnswerParts = {
  readonly outgoing: ReplyTarget;
  readonly decoded: DecodedGeneration;
  readonly client: string | undefined;
  readonly promptTokens: number;
  readonly run: () => RequestRun | undefined;
};

function createAnswer({ parts, codec }: Endpoint, arrival: Arrival, own: AnswerParts): Answer {
  const { outgoing, decoded, client, promptTokens, run } = own;
  const { requestId: id, receivedMs, receivedAtMs } = arrival;
  return new Answer(
    {
      outgoing,
      client,
      requestId: id,
      stream: decoded.facts.stream,
      wantsProgress: decoded.facts.wantsProgress === true,
      receivedMs,
      gateway: parts.policy().gateway,
      answers: parts.answers,
      writer: decoded.writer({ requestId: id, receivedAtMs, promptTokens, nowMs: () => parts.clock.nowMs() }),
      encodeError: codec.encodeError,
    },
    run,
  );
}

// What is asked for in words is guessed at; vectors come from one and the same model.
function completeFacts(
  parts: HttpParts,
  facts: RequestFacts,
  client: ClientPolicy | undefined,
): RequestFacts | Promise<RequestFacts> {
  if (facts.wants !== undefined) return pinEmbeddings(facts, parts, client);
  const guess = parts.classifier.guess(facts);
  return guess instanceof Promise ? guess.then((late) => withGuess(facts, late)) : withGuess(facts, guess);
}

// Another policy is tried on conversations only.
function featuresOf(policy: Policy, facts: RequestFacts, task: Task): RequestFeatures | undefined {
  if (!policy.gateway.recordFeatures || facts.wants !== undefined || facts.rawPrompt === true) return undefined;
  return recordFeatures(facts, policy, task);
}

/** Classifies a request; throws what is wrong with it as the client's mistake. */
export function toWorkload(parts: HttpParts, facts: RequestFacts, client: ClientPolicy | undefined): Workload {
  const classified = classify(facts, parts.policy(), client);
  if (classified.kind === 'ok') return classified.workload;
  throw new GatewayError(classified.code, classified.message, { param: classified.param });
}

type RefusedDecision = Extract<Decision, { kind: 'refused' }>;

function refusalError({ refusal }: RefusedDecision): GatewayError {
  const param = refusal.code === 'context_length_exceeded' ? 'messages' : undefined;
  // A pinned model that cannot run will not run a second later either.
  const shouldRetry = refusal.code === 'model_unavailable' ? false : undefined;
  return new GatewayError(refusal.code, refusal.message, { param, retryAfterMs: refusal.retryAfterMs, shouldRetry });
}

function recordRefusal(
  parts: HttpParts,
  seen: {
    arrival: Arrival;
    client: ClientPolicy | undefined;
    workload: Workload;
    features: RequestFeatures | undefined;
    decision: RefusedDecision;
  },
): void {
  const { workload, decision, arrival } = seen;
  const { code, message } = decision.refusal;
  parts.emit({
    kind: 'request.finished',
    record: {
      requestId: arrival.requestId,
      receivedAtMs: arrival.receivedAtMs,
      client: seen.client?.name ?? 'anonymous',
      class: workload.class,
      task: workload.task,
      reasons: workload.reasons,
      model: undefined,
      degraded: false,
      reason: message,
      traceParent: arrival.traceParent,
      slo: workload.slo,
      stream: workload.stream,
      promptChars: workload.promptChars,
      messageCount: workload.messageCount,
      hasMedia: workload.needs.vision === true || workload.needs.audio === true,
      features: seen.features,
      predicted: undefined,
      candidates: decision.candidates,
      actual: {},
      outcome: { kind: 'refused', code, message },
    },
  });
}

/** Anything thrown as an error with a code; what has none is a bug and is reported as one. */
export function toGatewayError(parts: Pick<HttpParts, 'emit'>, thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const stack = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  parts.emit({ kind: 'gateway.notice', level: 'error', message: `unexpected error: ${stack}` });
  return new GatewayError('runtime_failed', `internal error: ${messageOf(thrown)}`, { cause: thrown, status: 500 });
}

/** Tells of a request that was refused before it was classified. */
export function tellRejected(
  { emit }: Pick<HttpParts, 'emit'>,
  { requestId, endpoint }: { readonly requestId?: RequestId; readonly endpoint: string },
  { code, details }: GatewayError,
): void {
  emit({ kind: 'request.rejected', requestId, endpoint: endpoint.slice(0, 200), code, param: details.param });
}

type Refused = { readonly id: RequestId; readonly codec: GenerationCodec };

function refuse({ incoming, outgoing }: HttpExchange, { id, codec }: Refused, error: GatewayError): void {
  if (outgoing.headersSent || outgoing.destroyed) {
    outgoing.destroy();
    return;
  }
  const { status, body } = codec.encodeError(error, id);
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
  ];
  headers.push('x-request-id', id, ...Object.entries(retryHeaders(error)).flat());
  // The rest of a body we do not want to read is not read: the connection ends with the answer.
  if (!incoming.complete) headers.push('connection', 'close');
  outgoing.writeHead(status ?? statusOf(error), headers);
  outgoing.end(body);
}
