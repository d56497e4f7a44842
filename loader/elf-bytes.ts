/** The Buffer methods elfy reads headers with, over plain bytes, so that the loader also runs where no Buffer is. */
export class ElfBytes extends Uint8Array<ArrayBuffer> {
  static copy(bytes: Uint8Array): ElfBytes {
    const out = ElfBytes.zeros(bytes.length);
    out.set(bytes);
    return out;
  }

  static zeros(length: number): ElfBytes {
    return new ElfBytes(new ArrayBuffer(length));
  }

  private get view(): DataView {
    return new DataView(this.buffer, this.byteOffset, this.length);
  }
  readUInt16LE(at: number): number {
    return this.view.getUint16(at, true);
  }
  readUInt16BE(at: number): number {
    return this.view.getUint16(at, false);
  }
  readUInt32LE(at: number): number {
    return this.view.getUint32(at, true);
  }
  readUInt32BE(at: number): number {
    return this.view.getUint32(at, false);
  }
}
