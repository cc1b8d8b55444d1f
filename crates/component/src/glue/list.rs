//! Copies of lists.
//!
//! Source: component model, `CanonicalABI.md`, `load_list_from_range` and `store_list_into_range`.

use super::copy::Loc;
use super::error::GlueError;
use super::fun::{Bytes, Fun, address};
use super::text::Cursors;
use super::writer::{Allocation, Way, Writer};
use crate::abi::MAX_BYTE_LENGTH;
use crate::types::ValueType;
use hatchery_image::TrapCode;
use std::rc::Rc;
use wasm_encoder::{Instruction as I, ValType};

/// Bytes up to which a loop is faster than the machine's `memory.copy`.
const SHORT: i64 = 512;

impl Writer<'_> {
    /// `(pointer, length) -> (pointer, length)`: copies a list whose elements consist of these.
    pub(super) fn list(&mut self, way: &Rc<Way>, types: &[ValueType]) -> Result<Fun, GlueError> {
        let (wide, wide_to) = (way.from.wide, way.to.wide);
        let (source, length) = (0, 1);
        let mut f = Fun::new(vec![address(wide); 2], vec![address(wide_to); 2]);
        let from = self.layouts(wide).record(types.iter().copied()).0;
        let to = self.layouts(wide_to).record(types.iter().copied()).0;
        let (bytes, bytes_to) = (f.local(ValType::I64), f.local(ValType::I64));
        let target = f.local(address(wide_to));

        // Lifting. An element can be larger than a list may be, as that of a map consists of two values; it is smaller than 2^30
        // bytes, and none is ever copied.
        if wide {
            // So that the product does not wrap.
            f.ops([I::LocalGet(length), I::I64Const(MAX_BYTE_LENGTH.into()), I::I64GtU]);
            f.trap_if(TrapCode::ListTooLong);
        }
        scaled(&mut f, wide, length, from.size);
        f.ops([I::LocalTee(bytes), I::I64Const(MAX_BYTE_LENGTH.into()), I::I64GtU]);
        f.trap_if(TrapCode::ListTooLong);
        f.check_aligned(wide, source, from.align);
        let mem = self.mem(&way.from)?;
        f.check_inside(mem, source, Bytes::Local(bytes), TrapCode::ListOutOfBounds);

        // Lowering.
        scaled(&mut f, wide, length, to.size);
        f.set(bytes_to);
        let new = Bytes::Local(bytes_to);
        let allocation = Allocation { old: None, align: to.align, new, outside: TrapCode::ListOutOfBounds };
        self.realloc(&mut f, &way.to, target, &allocation)?;
        if from == to && self.is_plain(types) && wide == wide_to {
            self.copy_bytes(&mut f, way, source, target, bytes)?;
        } else {
            self.copy_elements(&mut f, way, types, [source, target, bytes])?;
        }
        f.get(target);
        f.get(length);
        convert(&mut f, wide, wide_to);
        Ok(f)
    }

    fn copy_elements(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        types: &[ValueType],
        [source, target, bytes]: [u32; 3],
    ) -> Result<(), GlueError> {
        let (wide, wide_to) = (way.from.wide, way.to.wide);
        let from = self.layouts(wide).record(types.iter().copied()).0;
        let to = self.layouts(wide_to).record(types.iter().copied()).0;
        let (end, at) = (f.local(address(wide)), f.local(address(wide_to)));
        f.get(source);
        f.get(bytes);
        if !wide {
            f.op(I::I32WrapI64);
        }
        f.ptr_add(wide);
        f.set(end);
        f.get(target);
        f.set(at);
        let mut result = Ok(());
        f.repeat(|f| {
            f.get(source);
            f.get(end);
            f.ptr_ne(wide);
            f.br_unless(1);
            result = self.copy_record(f, way, types, &Loc::at(source), &Loc::at(at));
            f.advance(wide, source, from.size as i64);
            f.advance(wide_to, at, to.size as i64);
            f.br(0);
        });
        result
    }

    /// Copies bytes from memory to memory; both ranges are inside.
    pub(super) fn copy_bytes(
        &mut self,
        f: &mut Fun,
        way: &Way,
        source: u32,
        target: u32,
        bytes: u32,
    ) -> Result<(), GlueError> {
        let (from, to) = (self.mem(&way.from)?, self.mem(&way.to)?);
        f.ops([I::LocalGet(bytes), I::I64Const(SHORT), I::I64LeU]);
        f.either(
            |f| {
                let cursors = Cursors {
                    from,
                    to,
                    source: f.local(address(from.wide)),
                    end: f.local(address(from.wide)),
                    target: f.local(address(to.wide)),
                };
                f.get(source);
                f.tee(cursors.source);
                f.get(bytes);
                if !from.wide {
                    f.op(I::I32WrapI64);
                }
                f.ptr_add(from.wide);
                f.set(cursors.end);
                f.get(target);
                f.set(cursors.target);
                cursors.copy(f);
                f.release_all(&[cursors.source, cursors.end, cursors.target]);
            },
            |f| {
                f.get(target);
                f.get(source);
                f.get(bytes);
                if !(from.wide && to.wide) {
                    f.op(I::I32WrapI64);
                }
                f.op(I::MemoryCopy { src_mem: from.index, dst_mem: to.index });
            },
        );
        Ok(())
    }
}

/// Pushes a length times a size, as an `i64`.
fn scaled(f: &mut Fun, wide: bool, length: u32, size: u64) {
    f.get(length);
    f.extend(wide);
    if size != 1 {
        f.ops([I::I64Const(size as i64), I::I64Mul]);
    }
}

/// The topmost operand, a length below 2^31, becomes as wide as the other side's.
pub(super) fn convert(f: &mut Fun, from: bool, to: bool) {
    match (from, to) {
        (false, true) => f.op(I::I64ExtendI32U),
        (true, false) => f.op(I::I32WrapI64),
        _ => {}
    }
}
