//! Small functions in the place of calls to them, whichever module of the set they are from.
//!
//! Only *leaves* are inlined: a few instructions that compute, in a straight line. A leaf calls nothing and cannot trap, so
//! no backtrace misses it; it has no loop, so nobody waits for it; and it is smaller than most calls of it.

use crate::link::Symbol;
use crate::symbol::name_of;
use cranelift_codegen::inline::{Inline, InlineCommand};
use cranelift_codegen::ir::{FuncRef, Function, Inst, Opcode, Value};
use hatchery_image::FunctionId;
use std::borrow::Cow;
use std::sync::OnceLock;
use wasmparser::{FunctionBody, Operator};

/// Most bytes of a leaf's body, its locals included.
const MAX_BYTES: usize = 64;

/// Most instructions of a leaf.
const MAX_INSTRUCTIONS: usize = 16;

/// Most calls that are replaced in one function. Each costs the code generator two blocks.
const MAX_CALLS: usize = 10_000;

/// Whether a body is a leaf's.
pub(crate) fn is_leaf(body: &FunctionBody<'_>) -> bool {
    let range = body.range();
    if range.end.saturating_sub(range.start) as usize > MAX_BYTES {
        return false;
    }
    let Ok(operators) = body.get_operators_reader() else { return false };
    let mut count = 0;
    operators.into_iter().all(|op| {
        count += 1;
        count <= MAX_INSTRUCTIONS && op.is_ok_and(|op| computes(&op))
    })
}

/// Whether an instruction computes something from operands, locals and globals, and cannot trap.
fn computes(op: &Operator<'_>) -> bool {
    use Operator as O;
    matches!(
        op,
        O::End
            | O::Nop
            | O::Drop
            | O::Select
            | O::LocalGet { .. }
            | O::LocalSet { .. }
            | O::LocalTee { .. }
            | O::GlobalGet { .. }
            | O::GlobalSet { .. }
            | O::I32Const { .. }
            | O::I64Const { .. }
            | O::F32Const { .. }
            | O::F64Const { .. }
            | O::I32Eqz
            | O::I32Eq
            | O::I32Ne
            | O::I32LtS
            | O::I32LtU
            | O::I32GtS
            | O::I32GtU
            | O::I32LeS
            | O::I32LeU
            | O::I32GeS
            | O::I32GeU
            | O::I64Eqz
            | O::I64Eq
            | O::I64Ne
            | O::I64LtS
            | O::I64LtU
            | O::I64GtS
            | O::I64GtU
            | O::I64LeS
            | O::I64LeU
            | O::I64GeS
            | O::I64GeU
            | O::F32Eq
            | O::F32Ne
            | O::F32Lt
            | O::F32Gt
            | O::F32Le
            | O::F32Ge
            | O::F64Eq
            | O::F64Ne
            | O::F64Lt
            | O::F64Gt
            | O::F64Le
            | O::F64Ge
            | O::I32Clz
            | O::I32Ctz
            | O::I32Popcnt
            | O::I32Add
            | O::I32Sub
            | O::I32Mul
            | O::I32And
            | O::I32Or
            | O::I32Xor
            | O::I32Shl
            | O::I32ShrS
            | O::I32ShrU
            | O::I32Rotl
            | O::I32Rotr
            | O::I64Clz
            | O::I64Ctz
            | O::I64Popcnt
            | O::I64Add
            | O::I64Sub
            | O::I64Mul
            | O::I64And
            | O::I64Or
            | O::I64Xor
            | O::I64Shl
            | O::I64ShrS
            | O::I64ShrU
            | O::I64Rotl
            | O::I64Rotr
            | O::F32Abs
            | O::F32Neg
            | O::F32Sqrt
            | O::F32Add
            | O::F32Sub
            | O::F32Mul
            | O::F32Div
            | O::F64Abs
            | O::F64Neg
            | O::F64Sqrt
            | O::F64Add
            | O::F64Sub
            | O::F64Mul
            | O::F64Div
            | O::I32WrapI64
            | O::I64ExtendI32S
            | O::I64ExtendI32U
            | O::I32Extend8S
            | O::I32Extend16S
            | O::I64Extend8S
            | O::I64Extend16S
            | O::I64Extend32S
            | O::I32ReinterpretF32
            | O::I64ReinterpretF64
            | O::F32ReinterpretI32
            | O::F64ReinterpretI64
            | O::F32DemoteF64
            | O::F64PromoteF32
    )
}

/// The leaves of a set, made when the first call of each is met.
#[derive(Debug)]
pub(crate) struct Leaves(Vec<OnceLock<Option<Box<Function>>>>);

impl Leaves {
    /// Of a set with so many functions.
    pub(crate) fn new(functions: usize) -> Leaves {
        Leaves((0..functions).map(|_| OnceLock::new()).collect())
    }

    /// The code generator's form of a function, if it is a leaf; `make` is asked once.
    fn get(&self, id: FunctionId, make: impl FnOnce() -> Option<Function>) -> Option<&Function> {
        self.0.get(id.0 as usize)?.get_or_init(|| make().map(Box::new)).as_deref()
    }
}

/// Replaces calls of leaves in one function.
pub(crate) struct Inliner<'a, F> {
    leaves: &'a Leaves,
    /// Translates a leaf; none when the function is no leaf.
    make: F,
    left: usize,
}

impl<'a, F: Fn(FunctionId) -> Option<Function>> Inliner<'a, F> {
    pub(crate) fn new(leaves: &'a Leaves, make: F) -> Self {
        Inliner { leaves, make, left: MAX_CALLS }
    }
}

impl<F: Fn(FunctionId) -> Option<Function>> Inline for Inliner<'_, F> {
    fn inline(
        &mut self,
        caller: &Function,
        _: Inst,
        opcode: Opcode,
        callee: FuncRef,
        _: &[Value],
    ) -> InlineCommand<'_> {
        if self.left == 0 || !matches!(opcode, Opcode::Call | Opcode::TryCall) {
            return InlineCommand::KeepCall;
        }
        let leaf = match name_of(caller, callee) {
            Some(Symbol::Function(id)) => self.leaves.get(id, || (self.make)(id)),
            _ => None,
        };
        match leaf {
            Some(leaf) => {
                self.left -= 1;
                InlineCommand::Inline { callee: Cow::Borrowed(leaf), visit_callee: false }
            }
            None => InlineCommand::KeepCall,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{LinkSet, clif_inlined};
    use hatchery_image::{Interruption, OptLevel, Tunables};

    const LIBRARY: &str = r#"(module
        (global $g (mut i32) (i32.const 1))
        (func (export "leaf") (param i32 i32) (result i32)
            (i32.add (i32.rotl (local.get 0) (i32.const 5)) (i32.mul (global.get $g) (local.get 1))))
        (func (export "traps") (param i32 i32) (result i32) (i32.div_u (local.get 0) (local.get 1)))
        (func (export "loops") (param i32 i32) (result i32) (loop) (local.get 0)))"#;

    fn program(callee: &str, tunables: &Tunables) -> String {
        let mut set = LinkSet::new();
        let library = set.add_module(wat::parse_str(LIBRARY).unwrap());
        let library = set.add_instance(library, None, &[]);
        let text = format!(
            r#"(module (import "l" "{callee}" (func $f (param i32 i32) (result i32)))
                (func (export "run") (param i32) (result i32) (call $f (call $f (local.get 0) (i32.const 7)) (i32.const 9))))"#
        );
        let module = set.add_module(wat::parse_str(text).unwrap());
        set.add_instance(module, None, &[("l".into(), library)]);
        clif_inlined(&set, tunables, 3).unwrap()
    }

    fn calls(callee: &str, tunables: &Tunables) -> usize {
        program(callee, tunables).lines().filter(|line| line.contains("= call ")).count()
    }

    #[test]
    fn a_leaf_of_another_module_takes_the_place_of_its_calls() {
        let tunables = Tunables::default();
        assert_eq!(calls("leaf", &tunables), 0);
        assert!(program("leaf", &tunables).contains("rotl"));
        assert_eq!(calls("traps", &tunables), 2);
        assert_eq!(calls("loops", &tunables), 2);
    }

    #[test]
    fn calls_stay_where_they_are_counted_or_nothing_is_optimized() {
        let fuel = Tunables { interruption: Interruption::Fuel, ..Tunables::default() };
        assert_eq!(calls("leaf", &fuel), 2);
        let plain = Tunables { opt_level: OptLevel::None, ..Tunables::default() };
        assert_eq!(calls("leaf", &plain), 2);
    }

    /// Their handlers are met by nothing then.
    #[test]
    fn a_leaf_takes_the_place_of_calls_that_have_handlers() {
        let text = r#"(module (tag $e) (func $leaf (param i32) (result i32) (i32.rotl (local.get 0) (i32.const 5)))
            (func (param i32) (result i32) (block $h (try_table (catch $e $h) (return (call $leaf (local.get 0)))))
              (i32.const 0)))"#;
        let mut set = LinkSet::new();
        let module = set.add_module(wat::parse_str(text).unwrap());
        set.add_instance(module, None, &[]);
        let clif = clif_inlined(&set, &Tunables::default(), 1).unwrap();
        assert!(clif.contains("rotl") && !clif.contains("try_call"), "{clif}");
        let image = crate::compile(&set, &Tunables::default(), &crate::Budget::default()).unwrap();
        assert!(image.catches().is_empty());
    }

    #[test]
    fn an_inlined_leaf_does_not_ask_whether_to_stop() {
        let polling = Tunables { interruption: Interruption::Poll, ..Tunables::default() };
        let polls = |text: &str| text.matches("atomic_load").count();
        let (inlined, called) = (polls(&program("leaf", &polling)), polls(&program("traps", &polling)));
        assert!(called > 0);
        assert_eq!(inlined, called);
    }
}
