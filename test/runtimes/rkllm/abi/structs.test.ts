import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import koffi, { type TypeObject } from 'koffi';
import { describe, expect, it } from 'vitest';
import { ABI_PROFILES, type AbiProfile, rkllmStructs } from '../../../../runtimes/rkllm/abi/structs.ts';
import { packageRoot } from '../../../../src/core/package-root.ts';
import { findProgram } from '../../../../src/transport/find-program.ts';
import { temporaryFolder } from '../../../helpers/temporary-folder.ts';

/** Size and alignment of a struct, offset and size of every field. */
type Layout = { size: number; align: number; fields: Record<string, [number, number]> };
type Layouts = Record<string, Layout>;

// The published tables, transcribed by a script; fields of nested structs are written `image.image_embed`.
const tables: Record<AbiProfile, Layouts> = JSON.parse(
  readFileSync(join(packageRoot(), 'test/fixtures/rkllm/layouts.json'), 'utf8'),
);

/** What koffi makes of our definitions, under the tables' names: a union's members stand in the struct itself. */
function layoutsOfKoffi(profile: AbiProfile): Layouts {
  const { resultCallback: _, ...structs } = rkllmStructs(profile);
  return Object.fromEntries(Object.entries(structs).map(([name, type]) => [name, layoutOf(type)]));
}

function layoutOf(type: TypeObject): Layout {
  return { size: koffi.sizeof(type), align: koffi.alignof(type), fields: Object.fromEntries(fieldsOf(type, 0, '')) };
}

function fieldsOf(type: TypeObject, base: number, prefix: string): [string, [number, number]][] {
  return Object.values(type.members ?? {}).flatMap((member): [string, [number, number]][] => {
    const at = base + member.offset;
    if (member.name === 'input') return fieldsOf(member.type, at, '');
    if (member.name === 'image' || member.name === 'video') return fieldsOf(member.type, at, `${member.name}.`);
    return [[prefix + member.name, [at, member.type.size]]];
  });
}

/** A C program that prints the same of the header the simulator is compiled with. */
function programFor(layouts: Layouts): string {
  const lines = Object.entries(layouts).map(([name, { fields }]) => {
    const printed = Object.keys(fields).map(
      (field) =>
        `printf("%s\\"${field}\\":[%zu,%zu]", sep, offsetof(${name}, ${field}), sizeof(((${name} *)0)->${field})); sep = ",";`,
    );
    return `printf("%s\\"${name}\\":{\\"size\\":%zu,\\"align\\":%zu,\\"fields\\":{", first, sizeof(${name}), _Alignof(${name})); first = ","; { const char *sep = ""; ${printed.join(' ')} } printf("}}");`;
  });
  return `#include <stdio.h>\n#include "rkllm-abi.h"\nint main(void) { const char *first = ""; printf("{"); ${lines.join('\n')} printf("}"); return 0; }\n`;
}

const include = join(packageRoot(), 'runtimes/rkllm/simulator');
const macro = (profile: AbiProfile) => `-DSIM_ABI=${profile === '1.2' ? 12 : 13}`;

describe.each(ABI_PROFILES)('structs of profile %s', (profile) => {
  it('are laid out by koffi as in the published tables', () => {
    expect(layoutsOfKoffi(profile)).toEqual(tables[profile]);
  });

  it('are laid out by gcc, from our own header, as in the published tables', () => {
    const folder = temporaryFolder();
    const source = join(folder, 'layout.c');
    writeFileSync(source, programFor(tables[profile]));
    execFileSync('gcc', [
      '-std=gnu11',
      '-Wall',
      '-Werror',
      macro(profile),
      '-I',
      include,
      source,
      '-o',
      join(folder, 'layout'),
    ]);
    expect(JSON.parse(execFileSync(join(folder, 'layout'), { encoding: 'utf8' }))).toEqual(tables[profile]);
  });

  it('are laid out by the arm64 cross compiler likewise, where it is installed', ({ annotate }) => {
    const folder = temporaryFolder();
    const source = join(folder, 'layout.c');
    const checks = Object.entries(tables[profile]).flatMap(([name, { size, fields }]) => [
      `_Static_assert(sizeof(${name}) == ${size}, "sizeof ${name}");`,
      ...Object.entries(fields).map(
        ([field, [offset]]) => `_Static_assert(offsetof(${name}, ${field}) == ${offset}, "${name}.${field}");`,
      ),
    ]);
    writeFileSync(source, `#include "rkllm-abi.h"\n${checks.join('\n')}\n`);
    const cross = findProgram('aarch64-linux-gnu-gcc', process.env);
    // The one condition in these tests: without a cross compiler gcc's own target is checked, and the report says so.
    const compiler = cross ?? 'gcc';
    execFileSync(compiler, ['-std=gnu11', macro(profile), '-I', include, '-fsyntax-only', source]);
    return annotate(cross === undefined ? 'arm64 NOT checked: no aarch64-linux-gnu-gcc here' : `checked with ${cross}`);
  });
});

describe('the layout comparison', () => {
  it('knows every struct of both tables', () => {
    expect(Object.keys(tables['1.2'])).toHaveLength(15);
    expect(Object.keys(tables['1.3'])).toHaveLength(17);
  });

  it('sees the difference between the profiles', () => {
    expect(layoutsOfKoffi('1.2')['RKLLMParam']).not.toEqual(tables['1.3']['RKLLMParam']);
  });
});
