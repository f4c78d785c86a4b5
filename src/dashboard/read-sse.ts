/** One server-sent event. */
export type SseMessage = { readonly event: string; readonly data: string };

/** Splits a body into its events; comments are left out. An event cut off at the end is dropped. */
export async function* readSse(body: ReadableStream<Uint8Array>): AsyncGenerator<SseMessage> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      rest += decoder.decode(value, { stream: true });
      const blocks = rest.replaceAll('\r\n', '\n').split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const message = readBlock(block);
        if (message !== undefined) yield message;
      }
    }
  } finally {
    // Also when the caller stops listening: the gateway sees the connection end.
    await reader.cancel().catch(() => undefined);
  }
}

function readBlock(block: string): SseMessage | undefined {
  let event = 'message';
  const lines: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice('event:'.length).trim();
    if (line.startsWith('data:')) lines.push(line.slice('data:'.length).replace(/^ /, ''));
  }
  return lines.length === 0 ? undefined : { event, data: lines.join('\n') };
}
