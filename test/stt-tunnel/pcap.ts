// Captures of tcpdump, as their frames.

/** The frames of a little-endian pcap file; throws if one was cut off. */
export function readPcap(file: Buffer): Buffer[] {
  const magic = file.readUInt32LE(0);
  if (magic !== 0xa1b2c3d4 && magic !== 0xa1b23c4d) throw new Error(`no pcap file: ${magic.toString(16)}`);
  return readRecords(file.subarray(pcapHeaderSize));
}

export const pcapHeaderSize = 24;
export const pcapRecordSize = 16;

/** The frames of a file that goes on: what lacks its end is left out. */
export function readRecords(records: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + pcapRecordSize <= records.length; ) {
    const [captured, length] = [records.readUInt32LE(at + 8), records.readUInt32LE(at + 12)];
    if (captured !== length) throw new Error(`frame ${frames.length + 1} was cut off at ${captured} bytes`);
    const end = at + pcapRecordSize + captured;
    if (end > records.length) break;
    frames.push(records.subarray(at + pcapRecordSize, end));
    at = end;
  }
  return frames;
}

/** The same backwards, for programs that read captures. */
export function writePcap(frames: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(262_144, 16);
  header.writeUInt32LE(1, 20);
  const records = frames.flatMap((frame) => {
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    return [record, frame];
  });
  return Buffer.concat([header, ...records]);
}
