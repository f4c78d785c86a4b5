import type { ModelId } from '../../core/ids.ts';
import type { ReplyContext, ReplyWriter } from '../codec.ts';
import { type EngineReply, readEngineReply } from '../engine/read-reply.ts';
import type { DecodedResponses } from './decode.ts';
import { responsesError } from './encode-error.ts';
import { callItem, customInput, formOf, type ItemStatus, messageItem, reasoningItem } from './items.ts';
import { createResponseObjects, statusAfter } from './response.ts';

/** Writes a whole Response object. White space is what JSON allows in front of it. */
export function wholeWriter(decoded: DecodedResponses, context: ReplyContext): ReplyWriter {
  const objects = createResponseObjects(decoded, context);
  let model: ModelId | undefined;
  return {
    contentType: 'application/json; charset=utf-8',
    heartbeat: () => ' ',
    begin: (answering) => {
      model = answering;
      return '';
    },
    events: () => '',
    end: (last) => {
      const reply = readEngineReply(last);
      const status = statusAfter(reply.final);
      const output = outputOf(reply, { decoded, stem: objects.stem, status });
      return JSON.stringify(objects.write({ status, model: model ?? decoded.facts.model, output, final: reply.final }));
    },
    failed: (error) => JSON.stringify(responsesError(error)),
  };
}

type Setting = { readonly decoded: DecodedResponses; readonly stem: string; readonly status: ItemStatus };

function outputOf(reply: EngineReply, { decoded, stem, status }: Setting): object[] {
  const output: object[] = [];
  const next = (prefix: string) => `${prefix}_${stem}_${output.length}`;
  const isThoughtOnly = reply.text === '' && reply.toolCalls.length === 0;
  if (reply.reasoning !== '')
    output.push(reasoningItem(next('rs'), reply.reasoning, isThoughtOnly ? status : 'completed'));
  // A reply of nothing at all is still a message.
  if (reply.text !== '' || (isThoughtOnly && reply.reasoning === ''))
    output.push(messageItem(next('msg'), reply.text, status));
  for (const call of reply.toolCalls) {
    const form = formOf(decoded.forms, call.name);
    const callId = call.id === '' ? next('call') : call.id;
    const text = form.kind === 'custom' ? customInput(call.arguments) : call.arguments;
    output.push(callItem({ id: next(form.kind === 'custom' ? 'ctc' : 'fc'), callId, form }, text, status));
  }
  return output;
}
