// Just enough of the protobuf wire format for small requests and answers, as Debian has no CRI client:
// strings, booleans, small numbers and nested messages, no schema.

/** A field's value; a number is a varint, an array is a nested message. */
export type Value = string | number | Message;
/** Field numbers with their values, in order; a number may occur again. */
export type Message = [number, Value][];

export function encode(message: Message): Buffer {
  return Buffer.concat(
    message.flatMap(([field, value]) => {
      if (typeof value === "number") return [varint(field << 3), varint(value)];
      const bytes = typeof value === "string" ? Buffer.from(value) : encode(value);
      return [varint((field << 3) | lengthDelimited), varint(bytes.length), bytes];
    }),
  );
}

/** The string at a path of field numbers, or undefined where the message has none. */
export function decodeString(bytes: Buffer, path: number[]): string | undefined {
  let inner: Buffer | undefined = bytes;
  for (const field of path) inner = inner && decodeFields(inner).get(field);
  return inner?.toString();
}

const lengthDelimited = 2;

/** The last length-delimited value of every field. */
function decodeFields(bytes: Buffer): Map<number, Buffer> {
  const fields = new Map<number, Buffer>();
  let at = 0;
  const readVarint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes.readUInt8(at++);
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = readVarint();
    const wireType = tag & 7;
    const number = readVarint();
    if (wireType === lengthDelimited) {
      fields.set(tag >>> 3, bytes.subarray(at, at + number));
      at += number;
    } else if (wireType !== 0) throw new Error(`wire type ${wireType} is not decoded`);
  }
  return fields;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    bytes.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) return Buffer.from(bytes);
  }
}
