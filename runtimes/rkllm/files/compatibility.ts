import type { RkllmFacts } from './model-name.ts';
import { findSoc, type Soc } from './soc.ts';
import { compareVersions } from './version.ts';

/** Why a file cannot run here, and what would help. */
export type Incompatibility = {
  readonly code: 'soc_unsupported' | 'soc_mismatch' | 'too_many_cores' | 'dtype_unsupported' | 'toolkit_newer';
  readonly reason: string;
  readonly remedy: string;
};

/** What the file is to run on. */
export type RkllmHost = {
  /** Undefined: the machine's chip is none that RKLLM knows. */
  readonly soc: Soc | undefined;
  /** Version of the library, e.g. `1.2.3`; undefined where unknown, and then not judged. */
  readonly runtimeVersion: string | undefined;
};

/**
 * Whether a model file can run on a chip with a library version; empty where nothing speaks against it. Facts the file
 * does not tell are not held against it: the library checks them when it loads. An RK3583 takes the RK3588's files.
 */
export function checkCompatibility(facts: RkllmFacts, host: RkllmHost): readonly Incompatibility[] {
  const { soc } = host;
  if (soc === undefined) {
    return [
      {
        code: 'soc_unsupported',
        reason: 'this machine has no NPU that RKLLM runs on',
        remedy: 'run it on an RK3588, RK3576, RK3562 or RV1126B board, or use a llama-server model',
      },
    ];
  }
  return [
    ...checkSoc(facts, soc),
    ...checkCores(facts, soc),
    ...checkDtype(facts, soc),
    ...checkToolkit(facts, host.runtimeVersion),
  ];
}

function checkSoc({ soc: made }: RkllmFacts, soc: Soc): readonly Incompatibility[] {
  if (made === undefined || made === soc.id || (made === 'rk3588' && soc.id === 'rk3583')) return [];
  const name = findSoc(made)?.name ?? made;
  return [
    {
      code: 'soc_mismatch',
      reason: `the file was converted for ${name}, this is ${soc.name}`,
      remedy: `get the model's file for ${soc.name}, or convert it again with target_platform ${soc.id}`,
    },
  ];
}

function checkCores({ npuCores }: RkllmFacts, soc: Soc): readonly Incompatibility[] {
  if (npuCores === undefined || npuCores <= soc.npuCores) return [];
  return [
    {
      code: 'too_many_cores',
      reason: `the file wants ${npuCores} NPU cores, ${soc.name} has ${soc.npuCores}`,
      remedy: `convert it again with num_npu_core ${soc.npuCores}`,
    },
  ];
}

function checkDtype({ dtype }: RkllmFacts, soc: Soc): readonly Incompatibility[] {
  if (dtype === undefined || soc.dtypes.test(dtype)) return [];
  return [
    {
      code: 'dtype_unsupported',
      reason: `the file is ${dtype}, which ${soc.name} cannot run`,
      remedy: `get or convert a file in ${soc.dtypesText}`,
    },
  ];
}

function checkToolkit({ toolkitVersion }: RkllmFacts, runtime: string | undefined): readonly Incompatibility[] {
  if (toolkitVersion === undefined || runtime === undefined) return [];
  if ((compareVersions(toolkitVersion, runtime) ?? 0) <= 0) return [];
  return [
    {
      code: 'toolkit_newer',
      reason: `the file was made with toolkit ${toolkitVersion}, newer than the library's ${runtime}`,
      remedy: `install librkllmrt ${toolkitVersion} or newer, or convert the model with toolkit ${runtime}`,
    },
  ];
}
