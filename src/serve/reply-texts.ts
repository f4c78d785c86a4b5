/** Takes the texts out of an engine's reply as it comes. */
export interface ReplyTexts {
  /** Texts that have become complete with these bytes, put together; JSON escapes stay as they are. */
  push(bytes: Buffer): string;
}

// Answer, thinking, completion text and arguments of tool calls. A marker is JSON syntax with an unescaped quote before its
// colon, so text of the answer cannot look like one. `role` and the like have other names.
const TEXTS = /(?:content|"text|arguments)":"([^"\\]*(?:\\.[^"\\]*)*)("?)/gs;
/** A text longer than this in one event is given up on. */
const CARRY_MAX = 1 << 20;

/**
 * Reader for one reply, stream or whole. Nothing is parsed: of every token's event only the text is looked for. A text
 * that is cut in the middle waits for its rest; one whose name is cut is missed, which a watch for loops can bear.
 */
export function createReplyTexts(): ReplyTexts {
  let carry = '';
  return {
    push: (bytes) => {
      // latin1: one character for each byte, so that nothing breaks where a chunk ends inside a character.
      const all = carry + bytes.toString('latin1');
      carry = '';
      let texts = '';
      TEXTS.lastIndex = 0;
      for (let match = TEXTS.exec(all); match !== null; match = TEXTS.exec(all)) {
        if (match[2] === '"') texts += match[1];
        else carry = all.length - match.index > CARRY_MAX ? '' : all.slice(match.index);
      }
      return texts;
    },
  };
}
