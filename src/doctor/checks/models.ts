import { checkCompatibility } from '../../../runtimes/rkllm/files/compatibility.ts';
import { gateDriver } from '../../../runtimes/rkllm/files/driver-gate.ts';
import { parseModelName } from '../../../runtimes/rkllm/files/model-name.ts';
import type { Soc } from '../../../runtimes/rkllm/files/soc.ts';
import { formatBytes } from '../../core/format.ts';
import { about, type Finding, fault, fine, warning } from '../finding.ts';
import type { Host } from '../host.ts';
import { type LookedModel, memoryOf } from '../look-at-models.ts';
import { isNewerToolkit, npuNodes } from './npu.ts';
import { canStart } from './programs.ts';

/** The model files: missing, damaged, made for another chip, too large. */
export async function checkModels(host: Host): Promise<readonly Finding[]> {
  if (host.policy.kind !== 'valid') return [];
  const found = host.models.map((looked) => ({ looked, faults: faultsOf(looked, host) }));
  const able = await Promise.all(found.map(({ faults, looked }) => faults.length === 0 && canRun(looked, host)));
  const usable = found.filter((_, index) => able[index]);
  const measured = `${usable.length} of ${found.length} can run`;
  const title = 'models';
  const summary =
    usable.length === 0
      ? fault('models', { title, measured, why: 'every request will be refused (no_usable_model)' }, remedyOfNone(host))
      : fine('models', { title, measured, why: usable.map(({ looked }) => looked.model.id).join(', ') });
  return [summary, ...found.flatMap(({ faults }) => faults)];
}

function remedyOfNone({ models }: Host): string {
  if (models.length === 0) return 'declare models in the policy';
  return models.some(({ content }) => content.kind === 'present')
    ? 'mend the errors of this report: the files are there, what runs them is not'
    : 'put a model file where the policy looks for it: see model-missing';
}

/** Whether what the model runs on is there; what is missing is said elsewhere. */
function canRun(looked: LookedModel, host: Host): boolean | Promise<boolean> {
  if (looked.kind === 'llama-server') return canStart(host, looked);
  return looked.kind !== 'rkllm' || npuCanRun(looked, host);
}

function npuCanRun({ content }: LookedModel, { soc, library, driver, files }: Host): boolean {
  if (library.kind === 'none' || library.refused !== undefined) return false;
  if (library.simulated) return true;
  const toolkit = content.kind === 'present' ? content.rkllm?.toolkitVersion : undefined;
  if (isNewerToolkit(toolkit, library.version)) return false;
  return soc !== undefined && gateDriver(driver).kind === 'on' && npuNodes(files).some(files.mayUse);
}

function faultsOf(looked: LookedModel, host: Host): readonly Finding[] {
  switch (looked.content.kind) {
    case 'none':
      return [];
    case 'missing':
      return [missing(looked, host.soc)];
    case 'damaged': {
      const { reason, remedy } = looked.content;
      const title = `file of ${looked.model.id}`;
      const why = 'the model is listed as unavailable and never chosen';
      return [fault(about('model-file', looked.model.id), { title, measured: host.files.shown(reason), why }, remedy)];
    }
    case 'present':
      return [...incompatible(looked, host), ...tooLarge(looked, host)];
  }
}

function missing({ model, kind, file }: LookedModel, soc: Soc | undefined): Finding {
  const fact = {
    title: `${model.id} is missing`,
    measured: `${file} does not exist`,
    why: 'the model is listed as unavailable and never chosen; the others serve',
  };
  const id = about('model-missing', model.id);
  if (kind !== 'rkllm') return warning(id, fact, `copy the GGUF file there, or correct models.${model.id}.file`);
  const facts = parseModelName(file);
  const target = soc?.id ?? facts.soc ?? 'rk3588';
  const cores = Math.min(facts.npuCores ?? 3, soc?.npuCores ?? 3);
  const why = `${fact.why}. Conversion to .rkllm runs on x86-64 Linux only, not on the board and not on macOS`;
  const remedy = `copy a file made for ${target} there; to convert one: rkllm-toolkit on an x86-64 PC with target_platform ${target}, num_npu_core ${cores}, ${facts.dtype ?? 'w8a8'}`;
  return warning(id, { ...fact, why }, remedy);
}

function incompatible(looked: LookedModel, { soc, library }: Host): readonly Finding[] {
  const { content, model } = looked;
  if (content.kind !== 'present' || content.rkllm === undefined) return [];
  const isSimulator = library.kind === 'found' && library.simulated;
  // No board: said once, for the machine. The simulator judges its files by itself.
  if (soc === undefined || isSimulator) return [];
  const id = about('model-file', model.id);
  const title = `file of ${model.id}`;
  if (content.isStandIn) {
    const why = 'it holds a few lines of text; the real library refuses it ("invalid rkllm model!")';
    return [
      fault(
        id,
        { title, measured: `${looked.file} is a stand-in for the simulator`, why },
        'name a converted .rkllm file',
      ),
    ];
  }
  const runtimeVersion = library.kind === 'found' ? library.version : undefined;
  // A newer toolkit is a matter of the library, and said with it.
  const found = checkCompatibility(content.rkllm, { soc, runtimeVersion }).filter(
    ({ code }) => code !== 'toolkit_newer',
  );
  if (found.length === 0) return [];
  const measured = `${looked.file}: ${found.map(({ reason }) => reason).join('; ')}`;
  const why = found.map(({ code }) => WHY[code]).join('; ');
  return [fault(id, { title, measured, why }, found.map(({ remedy }) => remedy).join('; '))];
}

const WHY = {
  soc_unsupported: 'the library runs on Rockchip chips only',
  soc_mismatch: 'a file is made for one chip: "the model\'s target_platform does not match the real platform"',
  too_many_cores:
    'the cores are fixed at conversion; more than the chip has give "Invalid NPU Core" or "Resource Busy"',
  dtype_unsupported:
    'the NPU has no instructions for it: RK3588 takes w8a8 and its groups and no w4, RK3576 w4a16 and w8a8',
  toolkit_newer: 'a library does not load files of a newer toolkit',
} as const;

function tooLarge(looked: LookedModel, { budgetBytes }: Host): readonly Finding[] {
  const need = memoryOf(looked);
  if (need === undefined || budgetBytes === undefined || need.value <= budgetBytes) return [];
  const fact = {
    title: `size of ${looked.model.id}`,
    measured: `${formatBytes(need.value)} (${need.provenance}), of ${formatBytes(budgetBytes)} for models`,
    why: 'it needs more than all models may have, so it is never loaded; a 4B Q4_K_M of 2.25 GB weights takes 5.3 GB',
  };
  const remedy =
    'shorten settings.context, set cache_type_k and cache_type_v to q8_0, or use a smaller quantization; enabled: false ends this message';
  return [fault(about('model-size', looked.model.id), fact, remedy)];
}
