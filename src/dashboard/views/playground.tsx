import { useRef, useState } from 'preact/hooks';
import { getJson } from '../api.ts';
import { useGateway } from '../gateway-context.ts';
import { Facts, Title, Trouble } from '../parts/facts.tsx';
import { showMs } from '../show.ts';
import { type ChatPiece, streamChat } from '../stream-chat.ts';
import type { Decision, XRouter } from '../wire.ts';
import { Explained } from './requests.tsx';

const AUTOS = ['auto', 'auto:route', 'auto:interactive', 'auto:quality', 'auto:batch'];

/** One question with what was answered. */
type Turn = {
  readonly question: string;
  readonly answer: string;
  readonly thoughts: string;
  /** What it waits for; undefined once there is something to read. */
  readonly waits: string | undefined;
  readonly routed: XRouter | undefined;
};

/** A chat with whatever model the gateway chooses, and why it was that one. */
export function Playground() {
  const { turns, error, isRunning, send, stop, clear } = useChat();
  const { status } = useGateway();
  const [model, setModel] = useState('auto');
  const [prompt, setPrompt] = useState('');
  const submit = () => {
    if (prompt.trim() === '' || isRunning) return;
    void send(model, prompt);
    setPrompt('');
  };
  return (
    <>
      <Title>Playground</Title>
      <div role="log" aria-label="Conversation" aria-busy={isRunning} class="conversation">
        {turns.map((turn, index) => (
          <TurnView key={index} turn={turn} />
        ))}
      </div>
      <Trouble error={error} />
      <form
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <label class="grow">
          Message
          <textarea
            rows={3}
            value={prompt}
            placeholder="Ask something. Enter sends, Shift+Enter makes a new line."
            onInput={(event) => setPrompt(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              submit();
            }}
          />
        </label>
        <label>
          Model
          <select value={model} onChange={(event) => setModel(event.currentTarget.value)}>
            {[...AUTOS, ...status.models.map(({ id }) => id)].map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <span class="buttons">
          {isRunning ? (
            <button type="button" onClick={stop}>
              Stop
            </button>
          ) : (
            <button type="submit">Send</button>
          )}
          <button type="button" class="quiet" onClick={clear} disabled={turns.length === 0}>
            New conversation
          </button>
        </span>
      </form>
    </>
  );
}

function useChat() {
  const [turns, setTurns] = useState<readonly Turn[]>([]);
  const [error, setError] = useState<Error>();
  const [isRunning, setIsRunning] = useState(false);
  const abort = useRef<AbortController | undefined>(undefined);
  const stop = () => abort.current?.abort();
  const send = async (model: string, question: string) => {
    const controller = new AbortController();
    abort.current = controller;
    setError(undefined);
    setIsRunning(true);
    setTurns([...turns, { question, answer: '', thoughts: '', waits: 'sent', routed: undefined }]);
    const onPiece = (piece: ChatPiece) => setTurns((all) => [...all.slice(0, -1), withPiece(all.at(-1), piece)]);
    try {
      await streamChat({ model, messages: messagesOf(turns, question) }, controller.signal, onPiece);
    } catch (thrown) {
      if (!controller.signal.aborted) setError(thrown as Error);
    }
    onPiece({ kind: 'ended' });
    setIsRunning(false);
  };
  const clear = () => {
    stop();
    setTurns([]);
    setError(undefined);
  };
  return { turns, error, isRunning, send, stop, clear };
}

function messagesOf(turns: readonly Turn[], question: string) {
  const before = turns.flatMap((turn) => [
    { role: 'user', content: turn.question },
    { role: 'assistant', content: turn.answer },
  ]);
  return [...before, { role: 'user', content: question }];
}

function withPiece(turn: Turn | undefined, piece: ChatPiece): Turn {
  const before = turn ?? { question: '', answer: '', thoughts: '', waits: undefined, routed: undefined };
  switch (piece.kind) {
    case 'waits':
      return { ...before, waits: piece.text };
    case 'text':
      return { ...before, answer: before.answer + piece.text, waits: undefined };
    case 'thought':
      return { ...before, thoughts: before.thoughts + piece.text, waits: undefined };
    case 'routed':
      return { ...before, routed: piece.routed };
    case 'ended':
      return { ...before, waits: undefined };
  }
}

function TurnView({ turn }: { readonly turn: Turn }) {
  return (
    <article class="turn">
      <p class="question">
        <span class="unseen">You: </span>
        {turn.question}
      </p>
      {turn.thoughts !== '' && (
        <details>
          <summary>Thoughts</summary>
          <p class="answer">{turn.thoughts}</p>
        </details>
      )}
      {turn.answer !== '' && (
        <p class="answer">
          <span class="unseen">Answer: </span>
          {turn.answer}
        </p>
      )}
      {turn.waits !== undefined && <p class="soft">… {turn.waits}</p>}
      {turn.routed !== undefined && <Routed routed={turn.routed} />}
    </article>
  );
}

/** Which model answered and why; the whole decision when it is asked for. */
function Routed({ routed }: { readonly routed: XRouter }) {
  const [decision, setDecision] = useState<Decision>();
  const [error, setError] = useState<Error>();
  const onToggle = async (isOpen: boolean) => {
    if (!isOpen || decision !== undefined) return;
    try {
      setDecision(await getJson<Decision>(`router/decisions/${encodeURIComponent(routed.request_id)}`));
    } catch (thrown) {
      setError(thrown as Error);
    }
  };
  const { actual, predicted } = routed;
  return (
    <>
      <Facts
        facts={[
          ['Answered by', <strong key="model">{routed.model}</strong>],
          ['Class and task', `${routed.class}, ${routed.task}`],
          ['First token', `${showMs(actual.ttft_ms)}, predicted ${showMs(predicted.ttft_ms)}`],
          ['Whole answer', `${showMs(actual.e2e_ms)}, predicted ${showMs(predicted.e2e_ms)}`],
          ['Tokens per second', `${actual.decode_tokens_per_sec ?? '–'}`],
        ]}
      />
      <details onToggle={(event) => void onToggle(event.currentTarget.open)}>
        <summary>Why {routed.model}?</summary>
        <Trouble error={error} />
        {decision === undefined ? <p class="reason">{routed.reason}</p> : <Explained decision={decision} />}
      </details>
    </>
  );
}
