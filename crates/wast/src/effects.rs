//! What a module's binary says about it: where it imports from, and which of its functions can be
//! called again without anybody noticing.

use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{ExternalKind, Operator, Parser, Payload, TypeRef};

/// Module names of a binary's imports, as far as it can be read.
pub(crate) fn imported_modules(binary: &[u8]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for payload in Parser::new(0).parse_all(binary) {
        let Ok(payload) = payload else { break };
        if let Payload::ImportSection(reader) = payload {
            let imports = reader.into_imports().map_while(Result::ok);
            names.extend(imports.map(|import| import.module.to_owned()));
        }
    }
    names
}

/// Exported functions that read at most, and so can be called at any time: nothing that they or the
/// functions they call do lasts, none calls what is not known, none loops.
///
/// The value tells whether the result depends on the arguments alone.
pub(crate) fn harmless_exports(binary: &[u8]) -> BTreeMap<String, Reads> {
    Functions::read(binary).map(|functions| functions.harmless_exports()).unwrap_or_default()
}

/// What a harmless function's result depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reads {
    /// On its arguments.
    Nothing,
    /// On memories, tables or globals, too.
    State,
}

/// The functions of a module, as far as their effects go.
#[derive(Default)]
struct Functions {
    imported: u32,
    bodies: Vec<Body>,
    exports: Vec<(String, u32)>,
}

/// What the instructions of a body do.
struct Body {
    /// `None` when one of them can have an effect.
    reads: Option<Reads>,
    calls: Vec<u32>,
}

impl Functions {
    fn read(binary: &[u8]) -> wasmparser::Result<Functions> {
        let mut functions = Functions::default();
        for payload in Parser::new(0).parse_all(binary) {
            match payload? {
                Payload::ImportSection(reader) => {
                    for import in reader.into_imports() {
                        functions.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::ExportSection(reader) => {
                    for export in reader {
                        let export = export?;
                        if export.kind == ExternalKind::Func {
                            functions.exports.push((export.name.to_owned(), export.index));
                        }
                    }
                }
                Payload::CodeSectionEntry(body) => functions.bodies.push(Body::read(&body)?),
                _ => {}
            }
        }
        Ok(functions)
    }

    fn harmless_exports(&self) -> BTreeMap<String, Reads> {
        let all = self.reads();
        let of = |f: u32| all.get(f.checked_sub(self.imported)? as usize).copied().flatten();
        self.exports.iter().filter_map(|(name, f)| Some((name.clone(), of(*f)?))).collect()
    }

    /// What each defined function and all it calls read; `None` when one of them can have an effect.
    ///
    /// The least solution: recursion alone is no effect.
    fn reads(&self) -> Vec<Option<Reads>> {
        let mut all: Vec<_> = vec![Some(Reads::Nothing); self.bodies.len()];
        loop {
            let next: Vec<_> = self.bodies.iter().map(|body| self.reads_of_body(body, &all)).collect();
            if next == all {
                return all;
            }
            all = next;
        }
    }

    /// What a body reads, given what is known of all functions.
    fn reads_of_body(&self, body: &Body, all: &[Option<Reads>]) -> Option<Reads> {
        body.calls.iter().try_fold(body.reads?, |reads, callee| {
            let callee = callee.checked_sub(self.imported)? as usize;
            Some(reads.max((*all.get(callee)?)?))
        })
    }
}

impl Body {
    fn read(body: &wasmparser::FunctionBody<'_>) -> wasmparser::Result<Body> {
        let mut result = Body { reads: Some(Reads::Nothing), calls: Vec::new() };
        for op in body.get_operators_reader()? {
            match op? {
                Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                    result.calls.push(function_index);
                }
                op => result.reads = result.reads.and_then(|reads| Some(reads.max(reads_of(&op)?))),
            }
        }
        Ok(result)
    }
}

/// What an instruction reads; `None` if it can have an effect, calls what is not known, or can loop.
///
/// Instructions of proposals that are not supported count as harmless: no such module runs.
fn reads_of(op: &Operator<'_>) -> Option<Reads> {
    use Operator as Op;
    match op {
        Op::Loop { .. } | Op::GlobalSet { .. } | Op::CallIndirect { .. } | Op::ReturnCallIndirect { .. } => None,
        Op::CallRef { .. } | Op::ReturnCallRef { .. } | Op::MemoryGrow { .. } | Op::MemoryFill { .. } => None,
        Op::MemoryCopy { .. } | Op::MemoryInit { .. } | Op::DataDrop { .. } | Op::TableSet { .. } => None,
        Op::TableGrow { .. } | Op::TableFill { .. } | Op::TableCopy { .. } | Op::TableInit { .. } => None,
        Op::ElemDrop { .. } | Op::I32Store { .. } | Op::I64Store { .. } | Op::F32Store { .. } => None,
        Op::F64Store { .. } | Op::I32Store8 { .. } | Op::I32Store16 { .. } | Op::I64Store8 { .. } => None,
        Op::I64Store16 { .. } | Op::I64Store32 { .. } | Op::V128Store { .. } | Op::V128Store8Lane { .. } => None,
        Op::V128Store16Lane { .. } | Op::V128Store32Lane { .. } | Op::V128Store64Lane { .. } => None,
        Op::GlobalGet { .. } | Op::TableGet { .. } | Op::TableSize { .. } | Op::MemorySize { .. } => Some(Reads::State),
        Op::I32Load { .. } | Op::I64Load { .. } | Op::F32Load { .. } | Op::F64Load { .. } => Some(Reads::State),
        Op::I32Load8S { .. } | Op::I32Load8U { .. } | Op::I32Load16S { .. } => Some(Reads::State),
        Op::I32Load16U { .. } | Op::I64Load8S { .. } | Op::I64Load8U { .. } => Some(Reads::State),
        Op::I64Load16S { .. } | Op::I64Load16U { .. } | Op::I64Load32S { .. } => Some(Reads::State),
        Op::I64Load32U { .. } | Op::V128Load { .. } | Op::V128Load8x8S { .. } => Some(Reads::State),
        Op::V128Load8x8U { .. } | Op::V128Load16x4S { .. } | Op::V128Load16x4U { .. } => Some(Reads::State),
        Op::V128Load32x2S { .. } | Op::V128Load32x2U { .. } | Op::V128Load8Splat { .. } => Some(Reads::State),
        Op::V128Load16Splat { .. } | Op::V128Load32Splat { .. } | Op::V128Load64Splat { .. } => Some(Reads::State),
        Op::V128Load32Zero { .. } | Op::V128Load64Zero { .. } | Op::V128Load8Lane { .. } => Some(Reads::State),
        Op::V128Load16Lane { .. } | Op::V128Load32Lane { .. } | Op::V128Load64Lane { .. } => Some(Reads::State),
        _ => Some(Reads::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harmless(text: &str) -> Vec<(String, Reads)> {
        harmless_exports(&wat::parse_str(text).expect("valid text")).into_iter().collect()
    }

    #[test]
    fn arithmetic_is_harmless_and_stores_are_not() {
        let found = harmless(
            r#"(module (memory 1) (global $g (mut i32) (i32.const 0)) (table 1 funcref)
                (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
                (func (export "load") (result i32) (i32.load (i32.const 0)))
                (func (export "store") (i32.store (i32.const 0) (i32.const 0)))
                (func (export "store lane") (v128.store8_lane 0 (i32.const 0) (v128.const i64x2 0 0)))
                (func (export "set") (global.set $g (i32.const 0)))
                (func (export "grow") (result i32) (memory.grow (i32.const 0)))
                (func (export "indirect") (call_indirect (i32.const 0)))
                (func (export "spin") (loop (br 0))))"#,
        );
        assert_eq!(found, [("add".into(), Reads::Nothing), ("load".into(), Reads::State)]);
    }

    #[test]
    fn callees_count() {
        let found = harmless(
            r#"(module (import "m" "f" (func $host)) (global $g (mut i32) (i32.const 0))
                (func $reads (drop (global.get $g)))
                (func $sets (global.set $g (i32.const 0)))
                (func (export "a") call $reads)
                (func (export "b") call $sets)
                (func (export "c") call $host)
                (func $d (export "d") call $d)
                (func $f call $g call $sets)
                (func $g (export "g") call $f)
                (export "e" (func $host)))"#,
        );
        assert_eq!(found, [("a".into(), Reads::State), ("d".into(), Reads::Nothing)]);
    }

    #[test]
    fn imports_are_found_as_far_as_the_binary_can_be_read() {
        let mut binary = wat::parse_str(r#"(module (import "a" "f" (func)) (import "b" "m" (memory 1)))"#).unwrap();
        assert_eq!(imported_modules(&binary).into_iter().collect::<Vec<_>>(), ["a", "b"]);
        binary.truncate(9);
        assert!(imported_modules(&binary).is_empty());
    }
}
