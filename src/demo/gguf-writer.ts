import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Tensor types we write: floats, and two quantizations in which any bytes are valid weights. */
export type TensorType = 'F32' | 'F16' | 'Q8_0' | 'IQ2_XXS';

/** A metadata value with the type the reader expects; GGUF numbers are typed and llama.cpp checks them. */
export type GgufValue =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'uint32' | 'int32' | 'float32'; readonly value: number }
  | { readonly kind: 'strings'; readonly value: readonly string[] }
  | { readonly kind: 'int32s' | 'float32s'; readonly value: readonly number[] };

/**
 * Where a tensor's bytes come from. `zeros` are left as a hole in the file (no disk used where the file system can),
 * `repeat` writes one block over and over, and `bytes` are the tensor itself.
 */
export type TensorFill =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'repeat'; readonly block: Uint8Array }
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array };

/** One tensor; `shape` in ggml's order, the fastest dimension (row length) first. */
export type GgufTensor = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: TensorType;
  readonly fill: TensorFill;
};

/** What a file holds. Metadata order is kept. */
export type GgufContent = {
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly GgufTensor[];
};

const alignmentBytes = 32;
const copyBytes = 1 << 20;

// Numbers of the GGUF specification (ggml/docs/gguf.md): ggml_type, and gguf_metadata_value_type.
const tensorTypes = {
  F32: { id: 0, blockElements: 1, blockBytes: 4 },
  F16: { id: 1, blockElements: 1, blockBytes: 2 },
  Q8_0: { id: 8, blockElements: 32, blockBytes: 34 },
  IQ2_XXS: { id: 16, blockElements: 256, blockBytes: 66 },
} as const satisfies Record<TensorType, { id: number; blockElements: number; blockBytes: number }>;

const valueTypes = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/**
 * Writes a GGUF version 3 file, little-endian, tensors aligned to 32 bytes. Tensors stream to disk one after another, the
 * file appears under its name only when it is complete, and missing folders are made. Returns the size in bytes.
 * Throws `RangeError` when a fill or a row does not fit its tensor: that is a mistake of the caller, not of the machine.
 */
export async function writeGguf(path: string, content: GgufContent): Promise<number> {
  await mkdir(dirname(path), { recursive: true });
  // The pid keeps two processes that write the same model apart; the last rename wins with the same content.
  const partial = `${path}.${process.pid}.partial`;
  const file = await open(partial, 'w');
  try {
    const sizeBytes = await writeContent(file, content);
    await file.close();
    await rename(partial, path);
    return sizeBytes;
  } catch (thrown) {
    await file.close();
    await rm(partial, { force: true });
    throw thrown;
  }
}

/** Size in bytes of the file that `writeGguf` writes for this content. Throws `RangeError` as it does. */
export const ggufBytes = (content: GgufContent): number =>
  content.tensors.reduce((size, tensor) => size + align(tensorBytes(tensor)), align(encodeHeader(content).length));

/** Size of a tensor's data in bytes, without padding. Throws `RangeError` when a row is no multiple of the block. */
function tensorBytes(tensor: Pick<GgufTensor, 'name' | 'shape' | 'type'>): number {
  const { blockElements, blockBytes } = tensorTypes[tensor.type];
  const rowElements = tensor.shape[0] ?? 0;
  if (rowElements % blockElements !== 0) {
    throw new RangeError(
      `${tensor.name}: rows of ${rowElements} do not divide into ${tensor.type} blocks of ${blockElements}`,
    );
  }
  const elements = tensor.shape.reduce((product, dimension) => product * dimension, 1);
  return (elements / blockElements) * blockBytes;
}

async function writeContent(file: FileHandle, content: GgufContent): Promise<number> {
  const header = encodeHeader(content);
  await writeAt(file, header, 0);
  let offset = align(header.length);
  for (const tensor of content.tensors) {
    const size = tensorBytes(tensor);
    await writeFill(file, tensor, offset, size);
    offset += align(size);
  }
  // Sets the size also when the last tensor is a hole; llama.cpp refuses a file shorter than its tensors say.
  await file.truncate(offset);
  return offset;
}

async function writeFill(file: FileHandle, tensor: GgufTensor, offset: number, size: number): Promise<void> {
  const { fill } = tensor;
  switch (fill.kind) {
    case 'zeros':
      return;
    case 'bytes':
      if (fill.bytes.length !== size) {
        throw new RangeError(`${tensor.name}: ${fill.bytes.length} bytes given, ${size} expected`);
      }
      return writeAt(file, fill.bytes, offset);
    case 'repeat': {
      const chunk = repeatToChunk(tensor, fill.block);
      for (let done = 0; done < size; done += chunk.length) {
        await writeAt(file, chunk.subarray(0, Math.min(chunk.length, size - done)), offset + done);
      }
    }
  }
}

function repeatToChunk(tensor: GgufTensor, block: Uint8Array): Uint8Array {
  if (block.length === 0 || block.length % tensorTypes[tensor.type].blockBytes !== 0) {
    throw new RangeError(`${tensor.name}: a block of ${block.length} bytes is not whole ${tensor.type} blocks`);
  }
  const chunk = new Uint8Array(block.length * Math.max(1, Math.floor(copyBytes / block.length)));
  for (let at = 0; at < chunk.length; at += block.length) chunk.set(block, at);
  return chunk;
}

async function writeAt(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

function encodeHeader({ metadata, tensors }: GgufContent): Uint8Array {
  const entries = Object.entries(metadata);
  const parts: Uint8Array[] = [Buffer.from('GGUF'), uint32(3), uint64(tensors.length), uint64(entries.length)];
  for (const [key, value] of entries) parts.push(encodeString(key), ...encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(encodeString(tensor.name), uint32(tensor.shape.length), ...tensor.shape.map(uint64));
    parts.push(uint32(tensorTypes[tensor.type].id), uint64(offset));
    offset += align(tensorBytes(tensor));
  }
  return Buffer.concat(parts);
}

function encodeValue(value: GgufValue): Uint8Array[] {
  switch (value.kind) {
    case 'string':
      return [uint32(valueTypes.string), encodeString(value.value)];
    case 'bool':
      return [uint32(valueTypes.bool), Uint8Array.of(value.value ? 1 : 0)];
    case 'uint32':
    case 'int32':
    case 'float32':
      return [uint32(valueTypes[value.kind]), encodeNumber(value.kind, value.value)];
    case 'strings':
      return [...arrayHead('string', value.value.length), ...value.value.map(encodeString)];
    case 'int32s':
      return [...arrayHead('int32', value.value.length), ...value.value.map((item) => encodeNumber('int32', item))];
    case 'float32s':
      return [...arrayHead('float32', value.value.length), ...value.value.map((item) => encodeNumber('float32', item))];
  }
}

const arrayHead = (items: keyof typeof valueTypes, length: number): Uint8Array[] => [
  uint32(valueTypes.array),
  uint32(valueTypes[items]),
  uint64(length),
];

function encodeNumber(kind: 'uint32' | 'int32' | 'float32', value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  if (kind === 'uint32') bytes.writeUInt32LE(value);
  else if (kind === 'int32') bytes.writeInt32LE(value);
  else bytes.writeFloatLE(value);
  return bytes;
}

function encodeString(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([uint64(bytes.length), bytes]);
}

const uint32 = (value: number): Uint8Array => encodeNumber('uint32', value);

function uint64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const align = (size: number): number => Math.ceil(size / alignmentBytes) * alignmentBytes;
