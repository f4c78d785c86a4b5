import { describe, expect, it } from 'vitest';
import { readProps } from '../../../runtimes/llama-server/read-props.ts';

// As build 11669 answers, what nobody reads left out.
const props = {
  default_generation_settings: { n_ctx: 2048, params: { temperature: 0.8 } },
  total_slots: 2,
  modalities: { vision: false, video: false, audio: true },
  chat_template_caps: { supports_tool_calls: true, supports_tools: true, supports_typed_content: false },
  build_info: 'b11669-Debian',
};

describe('readProps', () => {
  it('takes context, tools and modalities', () => {
    expect(readProps(props, {})).toEqual({
      contextTokens: 2048,
      capabilities: { tools: true, vision: false, audio: true },
      source: '/props of the running child',
    });
  });

  it('says no to tools where the template could and the server does not run it', () => {
    expect(readProps(props, { jinja: false })?.capabilities.tools).toBe(false);
  });

  it('leaves out what an older build does not tell', () => {
    const { chat_template_caps: _, modalities: __, ...older } = props;
    expect(readProps(older, {})).toEqual({
      contextTokens: 2048,
      capabilities: {},
      source: '/props of the running child',
    });
  });

  it.each([[undefined], [null], ['text'], [{}], [{ default_generation_settings: { n_ctx: 0 } }], [{ modalities: 3 }]])(
    'tells nothing of %j',
    (body) => {
      expect(readProps(body, {})).toBeUndefined();
    },
  );
});
