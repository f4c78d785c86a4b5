import { describe, expect, it } from 'vitest';
import { explainExit } from '../../../runtimes/llama-server/explain-exit.ts';

// Recorded from build 11669.
const DAMAGED = [
  '0.00.053.813 E common_fit_params: encountered an error while trying to fit params to free device memory: failed to load model',
  "0.00.053.824 E gguf_init_from_reader: invalid magic characters: 'O???', expected 'GGUF'",
  '0.00.053.828 E llama_model_load: error loading model: llama_model_loader: failed to load model from bad.gguf',
  '0.00.055.270 E srv  llama_server: exiting due to model loading error',
];

describe('explainExit', () => {
  it('quotes the cause of a damaged file, not its consequences, and gives up on it', () => {
    expect(explainExit(DAMAGED)).toEqual({
      reason: "llama-server says: gguf_init_from_reader: invalid magic characters: 'O???', expected 'GGUF'",
      permanent: true,
    });
  });

  it('gives up on a command line the program refuses', () => {
    expect(explainExit(['error: invalid argument: --nosuch'])).toEqual({
      reason: 'llama-server says: error: invalid argument: --nosuch',
      permanent: true,
    });
  });

  it('does not give up where memory was short, though loading failed for it', () => {
    const lines = [
      'E ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 99',
      'E llama_model_load: error loading model: unable to allocate CPU buffer',
    ];
    expect(explainExit(lines)?.permanent).toBe(false);
  });

  it('quotes an assertion that failed and not the trace behind it', () => {
    const lines = [
      '0.00.034.065 I cmn          init: llama threadpool init, n_threads = 1',
      './common/common.cpp:2248: get_sub_batch: failed to add token 0 at index 1 (error -1, n = 2)',
      '#13 0x000055c343588261 in ?? ()',
      '[Inferior 1 (process 21038) detached]',
    ];
    expect(explainExit(lines)).toEqual({
      reason:
        'llama-server says: ./common/common.cpp:2248: get_sub_batch: failed to add token 0 at index 1 (error -1, n = 2)',
      permanent: false,
    });
  });

  it('does not give up where the port was taken', () => {
    expect(explainExit(["E start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 80"])?.permanent).toBe(
      false,
    );
  });

  it('says nothing of words it does not know, nor of our own', () => {
    expect(explainExit(['all is well', 'sluice: starting llama-server invalid argument'])).toBeUndefined();
  });
});
