//! What runs in a cycle.

use crate::cycle::knobs::Room;
use crate::guest;
use std::fmt::Write;

/// A component, and what is done with an instance of it.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) bytes: Vec<u8>,
    /// What the peer must make room for.
    pub(super) room: Room,
    pub(super) task: Task,
}

/// What is done with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// `nop`, a function that does nothing, without host data.
    Nop,
    /// The same, where each instance has a WASI context.
    NopWasi,
    /// `wasi:cli/run`, with a WASI context whose output goes to a buffer.
    Run,
    /// `greet`, with a name, with a WASI context.
    Greet,
}

/// The name of the one who is greeted.
pub(super) const NAME: &str = "Ada";

/// Elements that tables of small guests have at most.
const FEW: usize = 1000;

/// A component from a file.
pub(super) fn file(name: &str, modules: usize, elements: usize, task: Task) -> anyhow::Result<Work> {
    Ok(Work { bytes: guest::bytes(name)?, room: Room { modules, elements }, task })
}

/// A component of the shape of a program for preview 1 with an adapter: four core modules.
pub(super) fn adapted() -> anyhow::Result<Work> {
    let bytes = wat::parse_str(include_str!("adapted.wat"))?;
    Ok(Work { bytes, room: Room { modules: 4, elements: FEW }, task: Task::NopWasi })
}

/// So many core modules, each with a memory, a table and a global, each of which calls the one before it if it is
/// asked to. Nobody asks.
pub(super) fn modules(count: usize, task: Task) -> anyhow::Result<Work> {
    let mut wat = String::from("(component\n");
    for i in 0..count {
        let (import, with) = match i {
            0 => (String::new(), String::new()),
            _ => (
                r#"(import "before" "ask" (func $before (param i32) (result i32)))"#.to_owned(),
                format!(r#"(with "before" (instance $i{}))"#, i - 1),
            ),
        };
        let ask = if i == 0 { "local.get 0" } else { "(call $before (local.get 0))" };
        write!(
            wat,
            r#"(core module $m{i} {import}
                 (memory 1) (data (i32.const 8) "contents")
                 (table 4 funcref) (elem (i32.const 1) $ask)
                 (global $g (mut i32) (i32.const {i}))
                 (func $ask (export "ask") (param i32) (result i32) {ask})
                 (func (export "nop")))
               (core instance $i{i} (instantiate $m{i} {with}))
            "#
        )?;
    }
    write!(wat, r#"(func (export "nop") (canon lift (core func $i{} "nop"))))"#, count - 1)?;
    Ok(Work { bytes: wat::parse_str(wat)?, room: Room { modules: count, elements: FEW }, task })
}
