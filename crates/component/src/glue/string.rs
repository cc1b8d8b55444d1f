//! Copies of strings: bounds, allocation, and which way of transcoding.
//!
//! Source: component model, `CanonicalABI.md`, `load_string_from_range` and `store_string_into_range`, whose calls of
//! `realloc` are followed one by one, as guests see them.

use super::error::GlueError;
use super::fun::{Bytes, Fun, address};
use super::list::convert;
use super::text::{Cursors, Units};
use super::writer::{Allocation, Way, Writer};
use crate::abi::MAX_BYTE_LENGTH;
use crate::plan::Encoding;
use hatchery_image::TrapCode;
use wasm_encoder::{BlockType, Instruction as I, ValType};

/// Locals of the function that copies strings one way.
struct Parts<'w> {
    way: &'w Way,
    /// Where to read on, where reading ends, where to write on.
    cursors: Cursors,
    /// Code units to read, an `i64`.
    units: u32,
    /// The result's address and length in code units; the length is an `i64`.
    pointer: u32,
    length: u32,
    /// Bytes for `realloc`: what there was, what there is to be.
    old: u32,
    new: u32,
}

impl Writer<'_> {
    /// `(pointer, length) -> (pointer, length)`: copies a string.
    pub(super) fn string(&mut self, way: &Way) -> Result<Fun, GlueError> {
        let (wide, wide_to) = (way.from.wide, way.to.wide);
        let mut f = Fun::new(vec![address(wide); 2], vec![address(wide_to); 2]);
        let cursors = Cursors {
            from: self.mem(&way.from)?,
            to: self.mem(&way.to)?,
            source: 0,
            end: f.local(address(wide)),
            target: f.local(address(wide_to)),
        };
        let [units, length, old, new] = [(); 4].map(|()| f.local(ValType::I64));
        let parts = Parts { way, cursors, units, pointer: f.local(address(wide_to)), length, old, new };
        let f = &mut f;
        f.get(1);
        f.extend(wide);
        f.set(units);
        if way.from.encoding == Encoding::CompactUtf16 {
            let tag = if wide { i64::MIN } else { 1 << 31 };
            f.ops([I::LocalGet(units), I::I64Const(tag), I::I64And, I::I64Eqz, I::I32Eqz]);
            f.op(I::If(BlockType::Empty));
            f.ops([I::LocalGet(units), I::I64Const(tag), I::I64Xor, I::LocalSet(units)]);
            self.transcode(f, &parts, Units::Utf16)?;
            if way.to.is_arena() {
                // What it is stays with it.
                f.ops([I::LocalGet(length), I::I64Const(1 << 31), I::I64Or, I::LocalSet(length)]);
            }
            f.op(I::Else);
            self.transcode(f, &parts, Units::Latin1)?;
            f.op(I::End);
        } else {
            let units = if way.from.encoding == Encoding::Utf8 { Units::Utf8 } else { Units::Utf16 };
            self.transcode(f, &parts, units)?;
        }
        f.get(parts.pointer);
        f.get(length);
        convert(f, true, wide_to);
        Ok(std::mem::replace(f, Fun::new(Vec::new(), Vec::new())))
    }

    /// Copies a string that is encoded like this.
    fn transcode(&mut self, f: &mut Fun, parts: &Parts<'_>, from: Units) -> Result<(), GlueError> {
        self.lift_bounds(f, parts, from);
        match (from, parts.way.to.encoding) {
            (Units::Utf16, _) if parts.way.to.is_arena() => self.same(f, parts, Units::Utf16, 2),
            (Units::Utf8, Encoding::Utf8) => self.same(f, parts, Units::Utf8, 1),
            (Units::Utf16, Encoding::Utf16) => self.same(f, parts, Units::Utf16, 2),
            (_, Encoding::Utf8) => self.make_utf8(f, parts, from),
            (Units::Latin1, Encoding::Utf16) => {
                self.allocate(f, parts, 2, |f| double(f, parts.units))?;
                parts.start(f);
                parts.cursors.inflate(f);
                parts.same_length(f);
                Ok(())
            }
            (Units::Utf8, Encoding::Utf16) => self.utf8_to_utf16(f, parts),
            (Units::Latin1, Encoding::CompactUtf16) => self.same(f, parts, Units::Latin1, 2),
            (Units::Utf16, Encoding::CompactUtf16) if parts.way.from.encoding == Encoding::CompactUtf16 => {
                self.probably_utf16(f, parts)
            }
            (_, Encoding::CompactUtf16) => self.make_compact(f, parts, from),
        }
    }

    /// Checks where the string is, and sets where reading ends.
    fn lift_bounds(&mut self, f: &mut Fun, parts: &Parts<'_>, from: Units) {
        let (units, mem) = (parts.units, parts.cursors.from);
        f.ops([I::LocalGet(units), I::I64Const((MAX_BYTE_LENGTH / from.bytes()).into()), I::I64GtU]);
        f.trap_if(TrapCode::StringTooLong);
        let align = if parts.way.from.encoding == Encoding::Utf8 { 1 } else { 2 };
        f.check_aligned(mem.wide, parts.cursors.source, align);
        f.get(units);
        if from == Units::Utf16 {
            f.ops([I::I64Const(1), I::I64Shl]);
        }
        f.set(parts.new);
        f.check_inside(mem, parts.cursors.source, Bytes::Local(parts.new), TrapCode::StringOutOfBounds);
        f.get(parts.cursors.source);
        f.get(parts.new);
        convert(f, true, mem.wide);
        f.ptr_add(mem.wide);
        f.set(parts.cursors.end);
    }

    /// Allocates as many bytes as `bytes` pushes.
    fn allocate(
        &mut self,
        f: &mut Fun,
        parts: &Parts<'_>,
        align: u32,
        bytes: impl FnOnce(&mut Fun),
    ) -> Result<(), GlueError> {
        bytes(f);
        f.set(parts.new);
        let (new, outside) = (Bytes::Local(parts.new), TrapCode::StringOutOfBounds);
        self.realloc(f, &parts.way.to, parts.pointer, &Allocation { old: None, align, new, outside })
    }

    /// Makes the allocation as large as `bytes` pushes.
    fn reallocate(
        &mut self,
        f: &mut Fun,
        parts: &Parts<'_>,
        align: u32,
        bytes: impl FnOnce(&mut Fun),
    ) -> Result<(), GlueError> {
        f.ops([I::LocalGet(parts.new), I::LocalSet(parts.old)]);
        bytes(f);
        f.set(parts.new);
        let (old, new, outside) = (Some(Bytes::Local(parts.old)), Bytes::Local(parts.new), TrapCode::StringOutOfBounds);
        self.realloc(f, &parts.way.to, parts.pointer, &Allocation { old, align, new, outside })
    }

    /// Gives back what was allocated and is not used: all behind where writing has come to.
    fn shrink(&mut self, f: &mut Fun, parts: &Parts<'_>, align: u32) -> Result<(), GlueError> {
        parts.written(f);
        f.ops([I::LocalGet(parts.new), I::I64LtU]);
        let mut result = Ok(());
        f.when(|f| result = self.reallocate(f, parts, align, |f| parts.written(f)));
        result
    }

    /// The encoding stays what it is.
    fn same(&mut self, f: &mut Fun, parts: &Parts<'_>, units: Units, align: u32) -> Result<(), GlueError> {
        self.allocate(f, parts, align, |f| {
            f.get(parts.units);
            if units == Units::Utf16 {
                f.ops([I::I64Const(1), I::I64Shl]);
            }
        })?;
        parts.start(f);
        if units == Units::Latin1 {
            parts.cursors.copy(f)
        } else {
            parts.cursors.all(f, units, units)
        }
        parts.same_length(f);
        Ok(())
    }

    /// One byte for each unit is enough as long as there is ASCII only.
    fn make_utf8(&mut self, f: &mut Fun, parts: &Parts<'_>, from: Units) -> Result<(), GlueError> {
        let worst = if from == Units::Utf16 { 3 } else { 2 };
        self.allocate(f, parts, 1, |f| f.get(parts.units))?;
        parts.start(f);
        parts.cursors.ascii(f, from, Units::Utf8);
        parts.written(f);
        f.set(parts.length);
        f.ops([I::LocalGet(parts.length), I::LocalGet(parts.units), I::I64Ne]);
        f.op(I::If(BlockType::Empty));
        self.reallocate(f, parts, 1, |f| f.ops([I::LocalGet(parts.units), I::I64Const(worst), I::I64Mul]))?;
        parts.resume(f, 0);
        parts.cursors.all(f, from, Units::Utf8);
        parts.written(f);
        f.set(parts.length);
        self.shrink(f, parts, 1)?;
        f.op(I::End);
        Ok(())
    }

    fn utf8_to_utf16(&mut self, f: &mut Fun, parts: &Parts<'_>) -> Result<(), GlueError> {
        self.allocate(f, parts, 2, |f| double(f, parts.units))?;
        parts.start(f);
        parts.cursors.all(f, Units::Utf8, Units::Utf16);
        parts.written(f);
        f.ops([I::I64Const(1), I::I64ShrU, I::LocalSet(parts.length)]);
        self.shrink(f, parts, 2)
    }

    /// One byte for each character as long as all are of Latin-1, then two for each unit.
    fn make_compact(&mut self, f: &mut Fun, parts: &Parts<'_>, from: Units) -> Result<(), GlueError> {
        self.allocate(f, parts, 2, |f| f.get(parts.units))?;
        parts.start(f);
        parts.cursors.all(f, from, Units::Latin1);
        parts.written(f);
        f.set(parts.length);
        parts.cursors.at_end(f);
        f.op(I::If(BlockType::Empty));
        self.shrink(f, parts, 2)?;
        f.op(I::Else);
        self.reallocate(f, parts, 2, |f| double(f, parts.units))?;
        parts.spread(f);
        parts.resume(f, 1);
        parts.cursors.all(f, from, Units::Utf16);
        parts.written(f);
        parts.tagged(f);
        self.shrink(f, parts, 2)?;
        f.op(I::End);
        Ok(())
    }

    /// It was UTF-16 before; perhaps it need not be.
    fn probably_utf16(&mut self, f: &mut Fun, parts: &Parts<'_>) -> Result<(), GlueError> {
        let beyond = f.local(ValType::I32);
        self.allocate(f, parts, 2, |f| double(f, parts.units))?;
        parts.start(f);
        parts.cursors.all(f, Units::Utf16, Units::Utf16);
        parts.any_beyond_latin1(f, beyond);
        f.get(beyond);
        let mut result = Ok(());
        f.either(
            |f| {
                f.get(parts.new);
                parts.tagged(f);
            },
            |f| {
                parts.squeeze(f);
                parts.same_length(f);
                result = self.reallocate(f, parts, 1, |f| f.get(parts.units));
            },
        );
        f.release(beyond);
        result
    }
}

/// Pushes twice a number.
fn double(f: &mut Fun, number: u32) {
    f.ops([I::LocalGet(number), I::I64Const(1), I::I64Shl]);
}

impl Cursors {
    /// Pushes whether all has been read.
    fn at_end(self, f: &mut Fun) {
        f.get(self.source);
        f.get(self.end);
        f.ptr_ge(self.from.wide);
    }
}

impl Parts<'_> {
    /// Writing starts where the allocation does.
    fn start(&self, f: &mut Fun) {
        f.get(self.pointer);
        f.set(self.cursors.target);
    }

    /// Writing goes on behind `length << shift` bytes of the allocation.
    fn resume(&self, f: &mut Fun, shift: i64) {
        f.get(self.pointer);
        f.ops([I::LocalGet(self.length), I::I64Const(shift), I::I64Shl]);
        convert(f, true, self.cursors.to.wide);
        f.ptr_add(self.cursors.to.wide);
        f.set(self.cursors.target);
    }

    /// Pushes how many bytes have been written, as an `i64`.
    fn written(&self, f: &mut Fun) {
        f.get(self.cursors.target);
        f.get(self.pointer);
        f.ptr_sub(self.cursors.to.wide);
        f.extend(self.cursors.to.wide);
    }

    /// The result has as many units as the source.
    fn same_length(&self, f: &mut Fun) {
        f.ops([I::LocalGet(self.units), I::LocalSet(self.length)]);
    }

    /// The result has as many units of UTF-16 as the topmost operand says in bytes.
    fn tagged(&self, f: &mut Fun) {
        let tag = if self.cursors.to.wide { i64::MIN } else { 1 << 31 };
        f.ops([I::I64Const(1), I::I64ShrU, I::I64Const(tag), I::I64Or, I::LocalSet(self.length)]);
    }

    /// Spreads `length` bytes at the start of the allocation to two bytes each, from the last to the first.
    fn spread(&self, f: &mut Fun) {
        let (mem, wide) = (self.cursors.to, self.cursors.to.wide);
        let (byte, unit) = (f.local(address(wide)), f.local(address(wide)));
        f.get(self.pointer);
        f.get(self.length);
        convert(f, true, wide);
        f.ptr_add(wide);
        f.tee(byte);
        f.get(self.length);
        convert(f, true, wide);
        f.ptr_add(wide);
        f.set(unit);
        f.repeat(|f| {
            f.get(byte);
            f.get(self.pointer);
            f.ptr_ne(wide);
            f.br_unless(1);
            f.advance(wide, byte, -1);
            f.advance(wide, unit, -2);
            f.get(unit);
            f.get(byte);
            f.ops([I::I32Load8U(mem.at(0)), I::I32Store16(mem.at(0))]);
            f.br(0);
        });
        f.release_all(&[byte, unit]);
    }

    /// Sets a local to whether some unit that was written is beyond Latin-1.
    fn any_beyond_latin1(&self, f: &mut Fun, beyond: u32) {
        let (mem, wide) = (self.cursors.to, self.cursors.to.wide);
        let unit = f.local(address(wide));
        f.ops([I::I32Const(0), I::LocalSet(beyond)]);
        f.get(self.pointer);
        f.set(unit);
        f.repeat(|f| {
            f.get(unit);
            f.get(self.cursors.target);
            f.ptr_ne(wide);
            f.br_unless(1);
            f.get(unit);
            f.ops([I::I32Load16U(mem.at(0)), I::I32Const(0x100), I::I32GeU]);
            f.when(|f| {
                f.ops([I::I32Const(1), I::LocalSet(beyond)]);
                f.br(2);
            });
            f.advance(wide, unit, 2);
            f.br(0);
        });
        f.release(unit);
    }

    /// Squeezes the units that were written to one byte each.
    fn squeeze(&self, f: &mut Fun) {
        let (mem, wide) = (self.cursors.to, self.cursors.to.wide);
        let (byte, unit) = (f.local(address(wide)), f.local(address(wide)));
        f.get(self.pointer);
        f.tee(byte);
        f.set(unit);
        f.repeat(|f| {
            f.get(unit);
            f.get(self.cursors.target);
            f.ptr_ne(wide);
            f.br_unless(1);
            f.get(byte);
            f.get(unit);
            f.ops([I::I32Load8U(mem.at(0)), I::I32Store8(mem.at(0))]);
            f.advance(wide, byte, 1);
            f.advance(wide, unit, 2);
            f.br(0);
        });
        f.release_all(&[byte, unit]);
    }
}
