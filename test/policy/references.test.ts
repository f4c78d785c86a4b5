import { describe, expect, it } from 'vitest';
import { referenceProblems } from '../../src/policy/references.ts';
import { readSource } from '../../src/policy/source-text.ts';

const messagesOf = (text: string) =>
  referenceProblems(readSource(text)).map(({ path, message }) => `${path}: ${message}`);

describe('referenceProblems', () => {
  it("passes over values of a wrong type, which are the schema's business", () => {
    expect(messagesOf('models: [1]\nruntimes: x\nclients: { a: 1 }\nclasses: { route: { prefer: 5 } }\n')).toEqual([]);
  });

  it('is not fooled by names that every object inherits', () => {
    expect(messagesOf('models: { a: { runtime: constructor } }\nclasses: { route: { prefer: toString } }\n')).toEqual([
      'models.a.runtime: no runtime is called "constructor"; known: no runtime is declared',
      'classes.route.prefer: no model is called "toString"; known: a',
    ]);
  });

  it('finds two ids that a client could not tell apart', () => {
    expect(messagesOf('models: { Qwen: { }, qwen: { } }\n')).toEqual([
      'models.qwen: the name "qwen" is taken by models.Qwen on line 1',
    ]);
  });

  it('finds two clients of one name', () => {
    expect(messagesOf('clients: [{ name: a, key_env: K }, { name: a, key_env: L }]\n')).toEqual([
      'clients[1].name: "a" is already the name of clients[0] on line 1',
    ]);
  });

  it('finds a model a client cannot be given, and a default class that is not open to it', () => {
    const clients = '[{ name: a, key_env: K, class: batch, classes: [route], models: [small, smal] }]';
    expect(messagesOf(`models: { small: { } }\nclients: ${clients}\n`)).toEqual([
      'clients[0].models[1]: no model is called "smal", did you mean "small"?',
      'clients[0].class: class batch is not among the classes of this client: route',
    ]);
  });
});
