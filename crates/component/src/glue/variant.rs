//! Copies of variants, which are options, results and enumerations too: a discriminant, and the payload of one case, whose flat
//! form cases share.

use super::copy::Loc;
use super::error::GlueError;
use super::fun::{Fun, val_type};
use super::writer::{Way, Writer};
use crate::abi::{Flat, discriminant_bytes};
use crate::types::ValueType;
use hatchery_image::TrapCode;
use std::rc::Rc;
use wasm_encoder::{BlockType, Instruction as I, ValType};

impl Writer<'_> {
    pub(super) fn copy_variant(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        ty: ValueType,
        cases: &[Option<ValueType>],
        from: &Loc,
        to: &Loc,
    ) -> Result<(), GlueError> {
        let case = f.local(ValType::I32);
        self.read_discriminant(f, way, cases.len(), from)?;
        f.set(case);
        self.write_discriminant(f, way, cases.len(), to, case)?;
        if let Loc::Flat(locals) = to {
            // What a case does not have is zero.
            let flat = self.layouts(way.to.wide).flat(ty).unwrap_or_default().to_vec();
            for (local, flat) in locals.iter().zip(flat).skip(1) {
                zero(f, flat);
                f.set(*local);
            }
        }
        let payloads: Vec<ValueType> = cases.iter().copied().flatten().collect();
        if payloads.is_empty() {
            f.ops([I::LocalGet(case), I::I32Const(cases.len() as i32), I::I32GeU]);
            f.trap_if(TrapCode::InvalidDiscriminant);
        } else {
            let payload = |wide| self.layouts(wide).variant(cases).1;
            let (from, to) = (from.behind(payload(way.from.wide)), to.behind(payload(way.to.wide)));
            self.dispatch(f, cases, case, &mut |this, f, payload| this.copy_case(f, way, ty, payload, (&from, &to)))?;
        }
        f.release(case);
        Ok(())
    }

    /// Goes to the copy of the case that has the number in a local; stops the guest when there is none.
    fn dispatch(
        &mut self,
        f: &mut Fun,
        cases: &[Option<ValueType>],
        case: u32,
        copy: &mut dyn FnMut(&mut Self, &mut Fun, ValueType) -> Result<(), GlueError>,
    ) -> Result<(), GlueError> {
        let payloads: Vec<ValueType> = cases.iter().copied().flatten().collect();
        let count = payloads.len() as u32;
        // From the outside: the end, what is no case, the cases with a payload, the last one first.
        for _ in 0..count + 2 {
            f.op(I::Block(BlockType::Empty));
        }
        let mut next = 0..count;
        let target = |case: &Option<ValueType>| case.and_then(|_| next.next()).unwrap_or(count + 1);
        let targets = cases.iter().map(target).collect();
        f.get(case);
        f.br_table(targets, count);
        for (position, payload) in (0..count).zip(payloads) {
            f.op(I::End);
            copy(self, f, payload)?;
            f.br(count - position);
        }
        f.op(I::End);
        f.trap(TrapCode::InvalidDiscriminant);
        f.op(I::End);
        Ok(())
    }

    /// Copies the payload of a case. In memory, it is in the same place for all cases.
    fn copy_case(
        &mut self,
        f: &mut Fun,
        way: &Rc<Way>,
        variant: ValueType,
        payload: ValueType,
        (from, to): (&Loc, &Loc),
    ) -> Result<(), GlueError> {
        let (mut temporaries, mut joined) = (Vec::new(), Vec::new());
        let from = match from {
            Loc::Mem { .. } => from.clone(),
            Loc::Flat(locals) => {
                let mut parts = Vec::new();
                for (local, have, want) in self.payload(way.from.wide, variant, payload, locals) {
                    parts.push(if have == want {
                        local
                    } else {
                        let part = f.local(val_type(want));
                        f.get(local);
                        split(f, have, want);
                        f.set(part);
                        temporaries.push(part);
                        part
                    });
                }
                Loc::Flat(parts)
            }
        };
        let to = match to {
            Loc::Mem { .. } => to.clone(),
            Loc::Flat(locals) => {
                let mut parts = Vec::new();
                for (local, want, have) in self.payload(way.to.wide, variant, payload, locals) {
                    parts.push(if have == want {
                        local
                    } else {
                        let part = f.local(val_type(have));
                        temporaries.push(part);
                        joined.push((part, have, local, want));
                        part
                    });
                }
                Loc::Flat(parts)
            }
        };
        self.copy(f, way, payload, &from, &to)?;
        for (part, have, local, want) in joined {
            f.get(part);
            join(f, have, want);
            f.set(local);
        }
        f.release_all(&temporaries);
        Ok(())
    }

    /// The locals that hold a case's payload, each with its type in the variant and in the payload.
    fn payload(&self, wide: bool, variant: ValueType, payload: ValueType, locals: &[u32]) -> Vec<(u32, Flat, Flat)> {
        let layouts = self.layouts(wide);
        let (all, part) = (layouts.flat(variant).unwrap_or_default(), layouts.flat(payload).unwrap_or_default());
        let locals = locals.iter().zip(all).skip(1);
        locals.zip(part).map(|((local, joined), own)| (*local, *joined, *own)).collect()
    }

    fn read_discriminant(&mut self, f: &mut Fun, way: &Way, cases: usize, from: &Loc) -> Result<(), GlueError> {
        match from {
            Loc::Flat(locals) => f.get(*locals.first().ok_or(GlueError::Malformed("a flat value"))?),
            Loc::Mem { base, offset } => {
                let at = self.mem(&way.from)?.at(*offset);
                f.get(*base);
                f.op(match discriminant_bytes(cases) {
                    1 => I::I32Load8U(at),
                    2 => I::I32Load16U(at),
                    _ => I::I32Load(at),
                });
            }
        }
        Ok(())
    }

    fn write_discriminant(
        &mut self,
        f: &mut Fun,
        way: &Way,
        cases: usize,
        to: &Loc,
        case: u32,
    ) -> Result<(), GlueError> {
        match to {
            Loc::Flat(locals) => {
                f.get(case);
                f.set(*locals.first().ok_or(GlueError::Malformed("a flat value"))?);
            }
            Loc::Mem { base, offset } => {
                let at = self.mem(&way.to)?.at(*offset);
                f.get(*base);
                f.get(case);
                f.op(match discriminant_bytes(cases) {
                    1 => I::I32Store8(at),
                    2 => I::I32Store16(at),
                    _ => I::I32Store(at),
                });
            }
        }
        Ok(())
    }
}

/// Pushes zero.
fn zero(f: &mut Fun, flat: Flat) {
    f.op(match flat {
        Flat::I32 => I::I32Const(0),
        Flat::I64 => I::I64Const(0),
        Flat::F32 => I::F32Const(0.0.into()),
        Flat::F64 => I::F64Const(0.0.into()),
    });
}

/// From the type that cases share to a case's own.
fn split(f: &mut Fun, have: Flat, want: Flat) {
    match (have, want) {
        (Flat::I32, Flat::F32) => f.op(I::F32ReinterpretI32),
        (Flat::I64, Flat::I32) => f.op(I::I32WrapI64),
        (Flat::I64, Flat::F32) => f.ops([I::I32WrapI64, I::F32ReinterpretI32]),
        (Flat::I64, Flat::F64) => f.op(I::F64ReinterpretI64),
        _ => {}
    }
}

/// From a case's own type to the one that cases share.
fn join(f: &mut Fun, have: Flat, want: Flat) {
    match (have, want) {
        (Flat::F32, Flat::I32) => f.op(I::I32ReinterpretF32),
        (Flat::I32, Flat::I64) => f.op(I::I64ExtendI32U),
        (Flat::F32, Flat::I64) => f.ops([I::I32ReinterpretF32, I::I64ExtendI32U]),
        (Flat::F64, Flat::I64) => f.op(I::I64ReinterpretF64),
        _ => {}
    }
}
