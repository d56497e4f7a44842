/** Numbers of host calls beyond the x87 instructions' own (opcode − D8) << 8 | modrm. */
export const X87_FXSAVE = 0x10000;
/** Components in bits 4 (x87) and 5 (SSE); bit 6: their initial state. */
export const X87_FXRSTOR = 0x10001;
