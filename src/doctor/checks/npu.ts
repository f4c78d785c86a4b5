import { DRIVER_OLDEST, DRIVER_RECOMMENDED, gateDriver } from '../../../runtimes/rkllm/files/driver-gate.ts';
import { compareVersions } from '../../../runtimes/rkllm/files/version.ts';
import { formatBytes } from '../../core/format.ts';
import { about, type Finding, fault, fine, note, warning } from '../finding.ts';
import { type Files, type Host, nameList, npuModels } from '../host.ts';

/** Kernel, driver, device and library of the NPU; nothing where the machine has none. */
export function checkNpu(host: Host): readonly Finding[] {
  if (host.soc === undefined) return host.driver.kind === 'none' ? [] : [driver(host)];
  return [kernel(host), driver(host), access(host), ...library(host), npuMemory(host)];
}

/** What stops NPU models is an error where the policy has some, else only worth knowing. */
const stops = (host: Host): typeof fault => (npuModels(host).length > 0 ? fault : warning);

const IMAGE =
  'install a system image with Rockchip kernel 6.1, e.g. Armbian with the vendor kernel; then "uname -r" says 6.1.x';

const UPDATE = `install an image whose RKNPU driver is ${DRIVER_RECOMMENDED} or newer: "sudo cat /sys/kernel/debug/rknpu/version" shows it`;

function kernel({ machine }: Host): Finding {
  const title = 'kernel';
  const release = machine.kernel ?? 'unknown';
  const version = /^(\d+)\.(\d+)/.exec(release);
  const number = version === null ? undefined : Number(version[1]) * 100 + Number(version[2]);
  if (number !== undefined && number < 601) {
    const why = `RKNPU driver ${DRIVER_RECOMMENDED} needs kernel 6.1 and cannot be ported back: 5.10 images stay at 0.8.2`;
    return warning('kernel', { title, measured: release, why }, IMAGE);
  }
  return fine('kernel', { title, measured: release, why: `new enough for RKNPU driver ${DRIVER_RECOMMENDED}` });
}

function driver(host: Host): Finding {
  const title = 'NPU driver';
  const gate = gateDriver(host.driver);
  const id = 'npu-driver';
  if (gate.kind === 'off') {
    const isOld = host.driver.kind === 'rknpu';
    const why = isOld
      ? `librkllmrt needs ${DRIVER_OLDEST}: below it a model loads and then fails with "matmul(w8a8) run failed"`
      : host.driver.kind === 'mainline'
        ? "librkllmrt talks to Rockchip's own driver (rknpu) only; the mainline one (rocket) has another interface"
        : "without Rockchip's driver (rknpu) no RKLLM model can run";
    return stops(host)(id, { title, measured: gate.reason, why }, IMAGE);
  }
  const measured = gate.version ?? 'rknpu is loaded, its version is for root only';
  if (gate.version === undefined) {
    const why = `${DRIVER_OLDEST} is needed and ${DRIVER_RECOMMENDED} advised; debugfs shows the version to root only`;
    return note(id, { title, measured, why }, 'sudo cat /sys/kernel/debug/rknpu/version');
  }
  if ((compareVersions(gate.version, DRIVER_RECOMMENDED) ?? 0) < 0) {
    const why = `${DRIVER_OLDEST} is enough for RKLLM alone; below ${DRIVER_RECOMMENDED} RKNN and RKLLM beside each other fail with "failed to submit"`;
    return warning(id, { title, measured, why }, UPDATE);
  }
  return fine(id, { title, measured, why: `${DRIVER_OLDEST} is needed and ${DRIVER_RECOMMENDED} advised` });
}

/** Devices by which librkllmrt may reach the NPU, those that exist. */
export function npuNodes(files: Files): readonly string[] {
  const paths = [...files.names('dev/dri', /^renderD\d+$/).map((name) => `dev/dri/${name}`), 'dev/rknpu'];
  return paths.filter(files.exists);
}

function access(host: Host): Finding {
  const { files } = host;
  const title = 'access to the NPU';
  const there = npuNodes(files);
  const shown = there.map((path) => `/${path}`).join(', ');
  if (there.length === 0) {
    const why = 'librkllmrt opens one of them; without it rkllm_init returns -1';
    const remedy = 'sudo modprobe rknpu; ls -l /dev/dri /dev/rknpu';
    return stops(host)('npu-access', { title, measured: 'no /dev/dri/renderD* and no /dev/rknpu', why }, remedy);
  }
  const usable = there.filter(files.mayUse);
  if (usable.length === 0) {
    const why = 'this user may not open the NPU, so rkllm_init returns -1 ("failed to open")';
    const remedy = 'sudo usermod -aG render,video $USER, then log in again (or restart the service)';
    return stops(host)('npu-access', { title, measured: `${shown}: no access`, why }, remedy);
  }
  const measured = usable.map((path) => `/${path}`).join(', ');
  return fine('npu-access', { title, measured, why: 'this user may read and write the device' });
}

function library(host: Host): readonly Finding[] {
  const { library: found } = host;
  const title = 'librkllmrt';
  const install =
    'sudo install -m 644 librkllmrt.so /usr/lib/ (1.2.3 or 1.3.x for aarch64, from airockchip/rknn-llm), sudo apt-get install libgomp1';
  if (found.kind === 'none') {
    const why = "it runs the RKLLM models; it is Rockchip's and does not come with Sluice";
    const make = npuModels(host).length > 0 ? fault : note;
    return [make('npu-library', { title, measured: `${found.wanted} was not found`, why }, install)];
  }
  if (found.simulated) {
    const why = 'it is the simulator, which pretends and uses no NPU';
    return [warning('npu-library', { title, measured: `${found.path} (SIMULATED)`, why }, install)];
  }
  const measured = `${found.path}, version ${found.version ?? 'unknown'}`;
  if (found.refused !== undefined) {
    return [stops(host)('npu-library', { title, measured, why: found.refused.reason }, found.refused.remedy)];
  }
  const { version } = found;
  const made = npuModels(host).flatMap((looked) => {
    const toolkit = looked.content.kind === 'present' ? looked.content.rkllm?.toolkitVersion : undefined;
    return toolkit === undefined ? [] : [{ ...looked, toolkit }];
  });
  const newer = made.filter(({ toolkit }) => isNewerToolkit(toolkit, version));
  return [
    fine('npu-library', {
      title,
      measured,
      why: `it runs files of its own and of older toolkits; ${made.length} of the model files say theirs, ${newer.length} a newer one`,
    }),
    ...newer.map(({ model, toolkit }) =>
      fault(
        about('npu-library', model.id),
        {
          title: `${title} for ${model.id}`,
          measured: `toolkit ${toolkit}, library ${version}`,
          why: 'a library does not load files of a newer toolkit: "load model failed", or a crash',
        },
        `install librkllmrt ${toolkit} or newer, or convert the model with rkllm-toolkit ${version}`,
      ),
    ),
  ];
}

/** Whether a file was made by a newer toolkit than the library; false where one of the versions is not known. */
export const isNewerToolkit = (toolkit: string | undefined, version: string | undefined): boolean =>
  toolkit !== undefined && version !== undefined && (compareVersions(toolkit, version) ?? 0) > 0;

/** What one IOMMU domain of the NPU can address; the driver has 16 of them. */
const DOMAIN_BYTES = 4 * 2 ** 30;

function npuMemory({ files, models, soc }: Host): Finding {
  const title = 'memory of the NPU';
  const weights = models.flatMap((looked) =>
    looked.kind === 'rkllm' && looked.content.kind === 'present'
      ? [{ model: looked.model, bytes: looked.content.facts.weightsBytes }]
      : [],
  );
  const largest = Math.max(0, ...weights.map(({ bytes }) => bytes));
  const npu = files.names('sys/class/devfreq', /npu/)[0];
  const hasIommu = npu !== undefined && files.exists(`sys/class/devfreq/${npu}/device/iommu_group`);
  if (hasIommu) {
    const tooLarge = weights.filter(({ bytes }) => bytes > DOMAIN_BYTES);
    const measured = 'IOMMU mode';
    if (tooLarge.length > 0) {
      const why = `one IOMMU domain addresses 4 GiB; ${nameList(tooLarge)} is larger, and whether it spills into the next domain is not documented`;
      return warning(
        'npu-memory',
        { title, measured, why },
        'use a smaller or more quantized file, and watch its first load in the log',
      );
    }
    return fine('npu-memory', {
      title,
      measured,
      why: 'the NPU reaches all memory by pages, 4 GiB per domain; no CMA reservation is needed. Two models of more than 4 GiB together belong in two domains (base_domain_id)',
    });
  }
  const cmaBytes = (Number(/^CmaTotal:\s*(\d+) kB/m.exec(files.text('proc/meminfo') ?? '')?.[1]) || 0) * 1024;
  if (cmaBytes === 0) {
    const why = `neither an IOMMU group of the NPU nor a CMA region can be seen, so where ${soc?.name ?? 'the NPU'} takes its memory is not known`;
    return note('npu-memory', { title, measured: 'not visible', why }, 'sudo dmesg | grep -i -e rknpu -e iommu -e cma');
  }
  const measured = `CMA, ${formatBytes(cmaBytes)} reserved`;
  if (largest > cmaBytes) {
    const why = `without IOMMU the NPU uses reserved memory only; the largest NPU model has ${formatBytes(largest)}`;
    const wanted = Math.ceil((largest * 1.25) / 2 ** 20 / 256) * 256;
    return warning(
      'npu-memory',
      { title, measured, why },
      `add cma=${wanted}M to the boot arguments (extraargs in /boot/armbianEnv.txt) and reboot`,
    );
  }
  const why = `room for the largest NPU model (${formatBytes(largest)}); CMA fragments after many loads, and a nightly reboot mends it`;
  return note('npu-memory', { title, measured, why });
}
