import type { ChatTool } from './messages.ts';
import type { ToolFormat } from './render.ts';
import { createStopFilter, heldBack } from './stop-filter.ts';
import { endsInsideString, mayBecomeCall, type ParsedCall, parseCalls } from './tool-calls.ts';

/** A piece of an answer, taken apart. */
export type Delta =
  | {
      readonly kind: 'content';
      readonly text: string;
      /** The text was meant as a tool call but is none; it is passed on as the model wrote it. */
      readonly brokenToolCall?: true;
    }
  | { readonly kind: 'reasoning'; readonly text: string }
  | {
      readonly kind: 'tool_call';
      readonly index: number;
      readonly id: string;
      readonly name: string;
      /** JSON text. */
      readonly arguments: string;
    };

/** How to read one answer. */
export type OutputParserOptions = {
  /** The model marks thoughts with `<think>`; false passes such tags on as text. */
  readonly thinking: boolean;
  /** The prompt already opened `<think>` ({@link RenderedPrompt.startsThinking}). */
  readonly startsThinking?: boolean;
  /** Tools the request offers; without any, calls are not looked for. */
  readonly tools?: readonly ChatTool[];
  readonly toolFormat?: ToolFormat;
  readonly stop?: readonly string[];
  /** Start of the calls' ids, made unique per request by the caller. */
  readonly callIdPrefix?: string;
};

/** Takes an answer apart while it comes. */
export interface OutputParser {
  push(text: string): Delta[];
  /** What was held back. Call once, after the last text. */
  end(): Delta[];
  /** A stop string was met: the run may be ended, nothing more is passed on. */
  readonly stopped: boolean;
  /** Calls found so far; more than zero makes the finish reason `tool_calls`. */
  readonly callCount: number;
}

/**
 * Takes a model's answer apart into content, thoughts and tool calls, whatever pieces it comes in: every way of
 * cutting the same text gives the same content, thoughts and calls.
 *
 *   start ──<think>──> reasoning ──</think>──> content ──opening marker──> block ──closing marker──> content
 *     └────anything else────────────────────────┘
 *
 * Held back are only the end of a text that may become a marker, white space that may come before one, and blocks
 * until they are closed. Thoughts are looked for at the start alone, because later on `<think>` may be the subject.
 */
export function createOutputParser(options: OutputParserOptions): OutputParser {
  return new Parser(options);
}

type Block = {
  readonly open: string;
  /** Undefined: the block goes on to the end of the answer. */
  readonly close: string | undefined;
  /** Only as the first thing of the answer's content. */
  readonly atStart?: true;
  /** The opening marker is part of what is read. */
  readonly keepsOpen?: true;
  /** Without the declared names a block of this kind is ordinary text. */
  readonly onlyDeclared?: true;
};

const BLOCKS: Readonly<Record<ToolFormat, readonly Block[]>> = {
  hermes: [{ open: '<tool_call>', close: '</tool_call>' }],
  llama3: [
    { open: '<|python_tag|>', close: undefined },
    { open: '{', close: undefined, atStart: true, keepsOpen: true, onlyDeclared: true },
    { open: '[', close: undefined, atStart: true, keepsOpen: true, onlyDeclared: true },
  ],
  fenced: [
    { open: '```tool_code\n', close: '\n```' },
    { open: '```tool_call\n', close: '\n```' },
    { open: '```json\n', close: '\n```', onlyDeclared: true },
  ],
};

const THINK = '<think>';
const THINK_END = '</think>';

class Parser implements OutputParser {
  readonly #tools: readonly ChatTool[];
  readonly #blocks: readonly Block[];
  readonly #stop;
  readonly #idPrefix: string;
  #state: 'start' | 'reasoning' | 'content' | 'block';
  /** Text of the current state that is not passed on yet. */
  #held = '';
  #block: Block | undefined;
  /** Nothing but white space has been passed on as content. */
  #atStart = true;
  #hasReasoned = false;
  /** White space after thoughts and calls is layout: it is dropped once the next word comes. */
  #dropsSpace = false;
  /** White space before the block being read, passed on with it should it be no call. */
  #gap = '';
  callCount = 0;

  constructor(options: OutputParserOptions) {
    this.#tools = options.tools ?? [];
    this.#blocks = this.#tools.length === 0 ? [] : BLOCKS[options.toolFormat ?? 'hermes'];
    this.#stop = createStopFilter(options.stop ?? []);
    this.#idPrefix = options.callIdPrefix ?? 'call_';
    this.#state = options.startsThinking === true ? 'reasoning' : options.thinking ? 'start' : 'content';
  }

  get stopped(): boolean {
    return this.#stop.stopped;
  }

  push(text: string): Delta[] {
    const deltas: Delta[] = [];
    this.#feed(this.#stop.push(text), deltas);
    return deltas;
  }

  end(): Delta[] {
    const deltas: Delta[] = [];
    this.#feed(this.#stop.end(), deltas);
    while (this.#held !== '' || this.#state === 'block') this.#finish(deltas);
    return deltas;
  }

  #feed(text: string, deltas: Delta[]): void {
    if (text === '') return;
    this.#held += text;
    while (this.#step(deltas));
  }

  /** Moves on by one state change; false when more text is needed. */
  #step(deltas: Delta[]): boolean {
    switch (this.#state) {
      case 'start':
        return this.#start();
      case 'reasoning':
        return this.#reason(deltas);
      case 'content':
        return this.#say(deltas);
      case 'block':
        return this.#collect(deltas);
    }
  }

  #start(): boolean {
    const text = this.#held.trimStart();
    if (text.startsWith(THINK)) {
      this.#held = text.slice(THINK.length);
      this.#state = 'reasoning';
      return true;
    }
    if (THINK.startsWith(text)) return false;
    this.#state = 'content';
    return true;
  }

  #reason(deltas: Delta[]): boolean {
    const close = this.#held.indexOf(THINK_END);
    if (close !== -1) {
      this.#think(this.#held.slice(0, close).trimEnd(), deltas);
      this.#held = this.#held.slice(close + THINK_END.length);
      this.#state = 'content';
      this.#dropsSpace = true;
      return true;
    }
    const sure = this.#held.slice(0, this.#held.length - heldBack(this.#held, [THINK_END])).trimEnd();
    this.#think(sure, deltas);
    this.#held = this.#held.slice(sure.length);
    return false;
  }

  #think(text: string, deltas: Delta[]): void {
    const thought = this.#hasReasoned ? text : text.trimStart();
    // White space before the first thought is dropped, between thoughts it is kept.
    if (thought === '') return;
    this.#hasReasoned = true;
    deltas.push({ kind: 'reasoning', text: thought });
  }

  #say(deltas: Delta[]): boolean {
    const found = this.#firstBlock();
    if (found !== undefined) {
      const { block, at } = found;
      const before = this.#held.slice(0, at).trimEnd();
      this.#content(before, deltas);
      this.#gap = this.#held.slice(before.length, at);
      this.#held = this.#held.slice(at + block.open.length);
      this.#block = block;
      this.#state = 'block';
      return true;
    }
    const kept = heldBack(
      this.#held,
      this.#blocks.map(({ open }) => open),
    );
    const text = this.#held.slice(0, this.#held.length - kept);
    const sure = this.#blocks.length > 0 || this.#dropsSpace ? text.trimEnd() : text;
    this.#content(sure, deltas);
    this.#held = this.#held.slice(sure.length);
    return false;
  }

  #firstBlock(): { readonly block: Block; readonly at: number } | undefined {
    let first: { block: Block; at: number } | undefined;
    for (const block of this.#blocks) {
      const at = this.#held.indexOf(block.open);
      if (at === -1 || (first !== undefined && first.at <= at)) continue;
      if (block.atStart && !(this.#atStart && this.#held.slice(0, at).trim() === '')) continue;
      first = { block, at };
    }
    return first;
  }

  #content(text: string, deltas: Delta[], broken = false): void {
    const said = this.#dropsSpace ? text.trimStart() : text;
    if (said === '') return;
    this.#atStart = false;
    this.#dropsSpace = false;
    deltas.push(broken ? { kind: 'content', text: said, brokenToolCall: true } : { kind: 'content', text: said });
  }

  #collect(deltas: Delta[]): boolean {
    const block = this.#block;
    if (block === undefined) return false;
    if (block.close === undefined) {
      if (!block.keepsOpen || mayBecomeCall(block.open + this.#held)) return false;
      this.#block = undefined;
      this.#state = 'content';
      this.#content(this.#gap + block.open, deltas);
      return true;
    }
    const close = this.#closeAt(block.close);
    if (close === undefined) return false;
    const body = this.#held.slice(0, close);
    this.#held = this.#held.slice(close + block.close.length);
    this.#settle(block, body, block.close, deltas);
    return true;
  }

  /** Index of the closing marker that is not inside a JSON string. */
  #closeAt(close: string): number | undefined {
    for (let at = this.#held.indexOf(close); at !== -1; at = this.#held.indexOf(close, at + 1)) {
      const body = this.#held.slice(0, at);
      if (!body.trimStart().startsWith('{') || !endsInsideString(body)) return at;
    }
    return undefined;
  }

  #settle(block: Block, body: string, close: string, deltas: Delta[]): void {
    this.#block = undefined;
    this.#state = 'content';
    const calls = this.#callsOf(block, body);
    if (calls === undefined) this.#content(this.#gap + block.open + body + close, deltas, block.onlyDeclared !== true);
    else this.#call(calls, deltas);
  }

  #callsOf(block: Block, body: string): readonly ParsedCall[] | undefined {
    const calls = parseCalls(block.keepsOpen ? block.open + body : body, this.#tools);
    if (calls === undefined || !block.onlyDeclared) return calls;
    const declared = calls.every((call) => this.#tools.some((tool) => tool.function.name === call.name));
    return declared ? calls : undefined;
  }

  #call(calls: readonly ParsedCall[], deltas: Delta[]): void {
    this.#dropsSpace = true;
    for (const call of calls) {
      const index = this.callCount;
      this.callCount += 1;
      deltas.push({ kind: 'tool_call', index, id: `${this.#idPrefix}${index}`, ...call });
    }
  }

  /** The answer is over: what is held back is decided as it stands. */
  #finish(deltas: Delta[]): void {
    const held = this.#held;
    this.#held = '';
    switch (this.#state) {
      case 'start':
      case 'content':
        if (this.callCount === 0 || held.trim() !== '') this.#content(held, deltas);
        return;
      case 'reasoning':
        this.#think(held.trimEnd(), deltas);
        return;
      case 'block':
        this.#finishBlock(held, deltas);
    }
  }

  // A model often ends right after the JSON, without the closing marker.
  #finishBlock(body: string, deltas: Delta[]): void {
    const block = this.#block;
    if (block === undefined) return;
    const close = block.close === undefined ? -1 : body.indexOf(block.close);
    if (block.close === undefined || close === -1 || this.#callsOf(block, body) !== undefined) {
      this.#settle(block, body, '', deltas);
      return;
    }
    // A quote that never closes hid the marker: the block is what stands before it, the rest is read on.
    this.#settle(block, body.slice(0, close), block.close, deltas);
    this.#held = body.slice(close + block.close.length);
    while (this.#step(deltas));
  }
}
