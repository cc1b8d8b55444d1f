//! Transcoding of strings: loops over two memories.
//!
//! Each loop has a fast path for what most strings are, sixteen bytes at a time, and a slow one that decodes a character
//! and encodes it. What is read is validated; what is written fits, as the caller has allocated for the worst case.

use super::fun::{Fun, Mem, address};
use hatchery_image::TrapCode;
use wasm_encoder::{Instruction as I, ValType};

/// How characters are encoded, with `latin1+utf16` decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Units {
    Utf8,
    Utf16,
    Latin1,
}

impl Units {
    /// Bytes of a code unit.
    pub(super) fn bytes(self) -> u32 {
        if self == Units::Utf16 { 2 } else { 1 }
    }
}

/// Positions of a transcoding, as locals.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursors {
    pub(super) from: Mem,
    pub(super) to: Mem,
    /// Where to read on.
    pub(super) source: u32,
    /// Where reading ends.
    pub(super) end: u32,
    /// Where to write on.
    pub(super) target: u32,
}

/// Bits that are set in a byte, or in a code unit, that is not ASCII.
const HIGH_BYTES: i64 = 0x8080_8080_8080_8080_u64 as i64;
const HIGH_UNITS: i64 = 0xff80_ff80_ff80_ff80_u64 as i64;

impl Cursors {
    /// Pushes whether at least so many bytes are left to read.
    fn left(self, f: &mut Fun, bytes: i64) {
        f.get(self.end);
        f.get(self.source);
        f.ptr_sub(self.from.wide);
        f.ptr(self.from.wide, bytes);
        f.ptr_ge(self.from.wide);
    }

    /// Pushes whether nothing is left to read.
    fn done(self, f: &mut Fun) {
        f.get(self.source);
        f.get(self.end);
        f.ptr_ge(self.from.wide);
    }

    fn step(self, f: &mut Fun, read: i64, written: i64) {
        f.advance(self.from.wide, self.source, read);
        f.advance(self.to.wide, self.target, written);
    }

    /// Copies all, whatever it is.
    pub(super) fn copy(self, f: &mut Fun) {
        let wide = |f: &mut Fun, bytes: i64, load: I<'static>, store: I<'static>| {
            f.repeat(|f| {
                self.left(f, bytes);
                f.br_unless(1);
                f.get(self.target);
                f.get(self.source);
                f.ops([load, store]);
                self.step(f, bytes, bytes);
                f.br(0);
            });
        };
        wide(f, 16, I::V128Load(self.from.at(0)), I::V128Store(self.to.at(0)));
        wide(f, 4, I::I32Load(self.from.at(0)), I::I32Store(self.to.at(0)));
        wide(f, 1, I::I32Load8U(self.from.at(0)), I::I32Store8(self.to.at(0)));
    }

    /// Copies ASCII between encodings as long as there is some.
    pub(super) fn ascii(self, f: &mut Fun, from: Units, to: Units) {
        match (from, to) {
            (Units::Utf8 | Units::Latin1, Units::Utf8 | Units::Latin1) => self.ascii_bytes(f),
            (Units::Utf8 | Units::Latin1, Units::Utf16) => self.ascii_to_units(f),
            (Units::Utf16, Units::Utf8 | Units::Latin1) => self.ascii_from_units(f),
            (Units::Utf16, Units::Utf16) => self.units(f),
        }
        self.ascii_one_by_one(f, from, to);
    }

    /// Leaves behind what is left of the last block: characters that are ASCII.
    fn ascii_one_by_one(self, f: &mut Fun, from: Units, to: Units) {
        let unit = f.local(ValType::I32);
        f.repeat(|f| {
            self.done(f);
            f.br_if(1);
            f.get(self.source);
            f.op(load_unit(from, self.from, 0));
            f.tee(unit);
            f.ops([I::I32Const(0x80), I::I32GeU]);
            f.br_if(1);
            f.get(self.target);
            f.get(unit);
            f.op(store_unit(to, self.to, 0));
            self.step(f, from.bytes().into(), to.bytes().into());
            f.br(0);
        });
        f.release(unit);
    }

    fn ascii_bytes(self, f: &mut Fun) {
        let block = f.local(ValType::V128);
        f.repeat(|f| {
            self.left(f, 16);
            f.br_unless(1);
            f.get(self.source);
            f.ops([I::V128Load(self.from.at(0)), I::LocalTee(block), I::I8x16Bitmask]);
            f.br_if(1);
            f.get(self.target);
            f.ops([I::LocalGet(block), I::V128Store(self.to.at(0))]);
            self.step(f, 16, 16);
            f.br(0);
        });
        f.release(block);
        let word = f.local(ValType::I64);
        f.repeat(|f| {
            self.left(f, 8);
            f.br_unless(1);
            f.get(self.source);
            f.ops([I::I64Load(self.from.at(0)), I::LocalTee(word), I::I64Const(HIGH_BYTES), I::I64And, I::I64Eqz]);
            f.br_unless(1);
            f.get(self.target);
            f.ops([I::LocalGet(word), I::I64Store(self.to.at(0))]);
            self.step(f, 8, 8);
            f.br(0);
        });
        f.release(word);
    }

    fn ascii_to_units(self, f: &mut Fun) {
        f.repeat(|f| {
            self.left(f, 8);
            f.br_unless(1);
            f.get(self.source);
            f.ops([I::I64Load(self.from.at(0)), I::I64Const(HIGH_BYTES), I::I64And, I::I64Eqz]);
            f.br_unless(1);
            f.get(self.target);
            f.get(self.source);
            f.ops([I::V128Load8x8U(self.from.at(0)), I::V128Store(self.to.at(0))]);
            self.step(f, 8, 16);
            f.br(0);
        });
    }

    fn ascii_from_units(self, f: &mut Fun) {
        let block = f.local(ValType::V128);
        f.repeat(|f| {
            self.left(f, 16);
            f.br_unless(1);
            f.get(self.source);
            f.ops([I::V128Load(self.from.at(0)), I::LocalTee(block)]);
            f.ops([I::I64Const(HIGH_UNITS), I::I64x2Splat, I::V128And, I::V128AnyTrue]);
            f.br_if(1);
            f.get(self.target);
            f.ops([I::LocalGet(block), I::LocalGet(block), I::I8x16NarrowI16x8U, I::I64x2ExtractLane(0)]);
            f.op(I::I64Store(self.to.at(0)));
            self.step(f, 16, 8);
            f.br(0);
        });
        f.release(block);
    }

    /// Copies UTF-16 as long as there is no surrogate.
    fn units(self, f: &mut Fun) {
        let block = f.local(ValType::V128);
        f.repeat(|f| {
            self.left(f, 16);
            f.br_unless(1);
            f.get(self.source);
            f.ops([I::V128Load(self.from.at(0)), I::LocalTee(block)]);
            f.ops([I::I32Const(0xf800), I::I16x8Splat, I::V128And, I::I32Const(0xd800), I::I16x8Splat]);
            f.ops([I::I16x8Eq, I::V128AnyTrue]);
            f.br_if(1);
            f.get(self.target);
            f.ops([I::LocalGet(block), I::V128Store(self.to.at(0))]);
            self.step(f, 16, 16);
            f.br(0);
        });
        f.release(block);
    }

    /// Widens Latin-1 to UTF-16.
    pub(super) fn inflate(self, f: &mut Fun) {
        f.repeat(|f| {
            self.left(f, 8);
            f.br_unless(1);
            f.get(self.target);
            f.get(self.source);
            f.ops([I::V128Load8x8U(self.from.at(0)), I::V128Store(self.to.at(0))]);
            self.step(f, 8, 16);
            f.br(0);
        });
        f.repeat(|f| {
            self.done(f);
            f.br_if(1);
            f.get(self.target);
            f.get(self.source);
            f.ops([I::I32Load8U(self.from.at(0)), I::I32Store16(self.to.at(0))]);
            self.step(f, 1, 2);
            f.br(0);
        });
    }

    /// Transcodes all that is left. To Latin-1, stops before the first character that it does not have.
    pub(super) fn all(self, f: &mut Fun, from: Units, to: Units) {
        let character = f.local(ValType::I32);
        let before = f.local(address(self.from.wide));
        f.repeat(|f| {
            self.ascii(f, from, to);
            self.done(f);
            f.br_if(1);
            // What is not ASCII comes in runs.
            f.looping(|f| {
                f.get(self.source);
                f.set(before);
                self.decode(f, from, character);
                if to == Units::Latin1 {
                    f.ops([I::LocalGet(character), I::I32Const(0x100), I::I32GeU]);
                    f.op(I::If(wasm_encoder::BlockType::Empty));
                    f.get(before);
                    f.set(self.source);
                    f.br(3);
                    f.op(I::End);
                }
                self.encode(f, to, character);
                self.done(f);
                f.op(I::I32Eqz);
                f.when(|f| {
                    f.get(self.source);
                    f.op(load_unit(from, self.from, 0));
                    f.ops([I::I32Const(0x80), I::I32GeU]);
                    f.br_if(1);
                });
            });
            f.br(0);
        });
        f.release(before);
        f.release(character);
    }

    /// Reads a character; there is at least a byte, or unit, to read.
    fn decode(self, f: &mut Fun, units: Units, character: u32) {
        f.get(self.source);
        f.op(load_unit(units, self.from, 0));
        f.set(character);
        match units {
            Units::Latin1 => f.advance(self.from.wide, self.source, 1),
            Units::Utf8 => self.decode_utf8(f, character),
            Units::Utf16 => self.decode_utf16(f, character),
        }
    }

    fn decode_utf16(self, f: &mut Fun, character: u32) {
        let unit = character;
        f.advance(self.from.wide, self.source, 2);
        f.ops([I::LocalGet(unit), I::I32Const(0xf800), I::I32And, I::I32Const(0xd800), I::I32Eq]);
        f.when(|f| {
            let low = f.local(ValType::I32);
            f.ops([I::LocalGet(unit), I::I32Const(0xdc00), I::I32GeU]);
            f.trap_if(TrapCode::InvalidUtf16);
            self.done(f);
            f.trap_if(TrapCode::InvalidUtf16);
            f.get(self.source);
            f.op(I::I32Load16U(self.from.at(0)));
            f.ops([I::I32Const(0xdc00), I::I32Sub, I::LocalTee(low), I::I32Const(0x400), I::I32GeU]);
            f.trap_if(TrapCode::InvalidUtf16);
            f.ops([I::LocalGet(unit), I::I32Const(0xd800), I::I32Sub, I::I32Const(10), I::I32Shl]);
            f.ops([I::LocalGet(low), I::I32Or, I::I32Const(0x1_0000), I::I32Add, I::LocalSet(character)]);
            f.advance(self.from.wide, self.source, 2);
            f.release(low);
        });
    }

    fn decode_utf8(self, f: &mut Fun, character: u32) {
        f.block(|f| {
            f.ops([I::LocalGet(character), I::I32Const(0x80), I::I32LtU]);
            f.when(|f| {
                f.advance(self.from.wide, self.source, 1);
                f.br(1);
            });
            f.ops([I::LocalGet(character), I::I32Const(0xc2), I::I32Sub, I::I32Const(0xf5 - 0xc2), I::I32GeU]);
            f.trap_if(TrapCode::InvalidUtf8);
            f.ops([I::LocalGet(character), I::I32Const(0xe0), I::I32LtU]);
            f.when(|f| {
                self.sequence(f, character, 2, 0x1f);
                f.br(1);
            });
            f.ops([I::LocalGet(character), I::I32Const(0xf0), I::I32LtU]);
            f.when(|f| {
                self.sequence(f, character, 3, 0x0f);
                // Overlong, or a surrogate.
                f.ops([I::LocalGet(character), I::I32Const(0x800), I::I32LtU]);
                f.ops([I::LocalGet(character), I::I32Const(0xf800), I::I32And, I::I32Const(0xd800), I::I32Eq]);
                f.op(I::I32Or);
                f.trap_if(TrapCode::InvalidUtf8);
                f.br(1);
            });
            self.sequence(f, character, 4, 0x07);
            f.ops([I::LocalGet(character), I::I32Const(0x1_0000), I::I32Sub, I::I32Const(0x10_0000), I::I32GeU]);
            f.trap_if(TrapCode::InvalidUtf8);
        });
    }

    /// Reads a sequence of so many bytes, whose first is in `character` and has these bits of it.
    fn sequence(self, f: &mut Fun, character: u32, bytes: u32, mask: i32) {
        self.left(f, bytes.into());
        f.op(I::I32Eqz);
        f.trap_if(TrapCode::IncompleteUtf8);
        let byte = f.local(ValType::I32);
        f.ops([I::LocalGet(character), I::I32Const(mask), I::I32And, I::LocalSet(character)]);
        for offset in 1..bytes {
            f.get(self.source);
            f.op(I::I32Load8U(self.from.at(offset.into())));
            f.ops([I::I32Const(0x80), I::I32Xor, I::LocalTee(byte), I::I32Const(0x40), I::I32GeU]);
            f.trap_if(TrapCode::InvalidUtf8);
            f.ops([I::LocalGet(character), I::I32Const(6), I::I32Shl, I::LocalGet(byte), I::I32Or]);
            f.set(character);
        }
        f.release(byte);
        f.advance(self.from.wide, self.source, bytes.into());
    }

    /// Writes a character, which the encoding has.
    fn encode(self, f: &mut Fun, units: Units, character: u32) {
        match units {
            Units::Latin1 => self.put(f, units, |f| f.get(character)),
            Units::Utf16 => self.encode_utf16(f, character),
            Units::Utf8 => self.encode_utf8(f, character),
        }
    }

    /// Writes a code unit.
    fn put(self, f: &mut Fun, units: Units, value: impl FnOnce(&mut Fun)) {
        f.get(self.target);
        value(f);
        f.op(store_unit(units, self.to, 0));
        f.advance(self.to.wide, self.target, units.bytes().into());
    }

    fn encode_utf16(self, f: &mut Fun, character: u32) {
        f.ops([I::LocalGet(character), I::I32Const(0x1_0000), I::I32LtU]);
        f.either(
            |f| self.put(f, Units::Utf16, |f| f.get(character)),
            |f| {
                self.put(f, Units::Utf16, |f| {
                    f.ops([I::LocalGet(character), I::I32Const(10), I::I32ShrU, I::I32Const(0xd7c0), I::I32Add]);
                });
                self.put(f, Units::Utf16, |f| {
                    f.ops([I::LocalGet(character), I::I32Const(0x3ff), I::I32And, I::I32Const(0xdc00), I::I32Or]);
                });
            },
        );
    }

    fn encode_utf8(self, f: &mut Fun, character: u32) {
        let shifted = |shift: i32, mask: i32, mark: i32| {
            move |f: &mut Fun| {
                f.ops([I::LocalGet(character), I::I32Const(shift), I::I32ShrU, I::I32Const(mask), I::I32And]);
                f.ops([I::I32Const(mark), I::I32Or]);
            }
        };
        let put = |f: &mut Fun, parts: &[(i32, i32, i32)]| {
            for (shift, mask, mark) in parts {
                self.put(f, Units::Utf8, shifted(*shift, *mask, *mark));
            }
        };
        f.block(|f| {
            f.ops([I::LocalGet(character), I::I32Const(0x80), I::I32LtU]);
            f.when(|f| {
                put(f, &[(0, 0x7f, 0)]);
                f.br(1);
            });
            f.ops([I::LocalGet(character), I::I32Const(0x800), I::I32LtU]);
            f.when(|f| {
                put(f, &[(6, 0x1f, 0xc0), (0, 0x3f, 0x80)]);
                f.br(1);
            });
            f.ops([I::LocalGet(character), I::I32Const(0x1_0000), I::I32LtU]);
            f.when(|f| {
                put(f, &[(12, 0x0f, 0xe0), (6, 0x3f, 0x80), (0, 0x3f, 0x80)]);
                f.br(1);
            });
            put(f, &[(18, 0x07, 0xf0), (12, 0x3f, 0x80), (6, 0x3f, 0x80), (0, 0x3f, 0x80)]);
        });
    }
}

fn load_unit(units: Units, mem: Mem, offset: u64) -> I<'static> {
    if units == Units::Utf16 { I::I32Load16U(mem.at(offset)) } else { I::I32Load8U(mem.at(offset)) }
}

fn store_unit(units: Units, mem: Mem, offset: u64) -> I<'static> {
    if units == Units::Utf16 { I::I32Store16(mem.at(offset)) } else { I::I32Store8(mem.at(offset)) }
}
