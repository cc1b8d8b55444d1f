//! Components that make, lend, give away, keep and drop resources, theirs and the host's, in any order.
//!
//! One component defines `thing` and has functions about it; another, built on it, does as it likes, and so do the
//! destructor and the functions themselves. All that core code does is to call, with numbers that were handles at some
//! time, or never were.

use super::Call;
use super::tree::Signature;
use super::types::Ty;
use super::values::Datum;
use super::ways;
use arbitrary::{Result, Unstructured};
use std::fmt::Write as _;

/// Registers that hold what was returned, across calls.
const REGISTERS: usize = 4;

/// A function that core code can call: its name, and how many numbers it takes and returns.
type Callee = (&'static str, usize, usize);

/// The host's functions.
const HOST: [Callee; 4] = [("f0", 1, 1), ("f1", 1, 1), ("f2", 1, 1), ("f3", 2, 1)];

/// Their types.
const HOST_TYPES: [&str; 4] = [
    "(param \"n\" u32) (result (own $res))",
    "(param \"lent\" (borrow $res)) (result u32)",
    "(param \"given\" (own $res)) (result u32)",
    "(param \"lent\" (borrow $res)) (param \"given\" (own $res)) (result (own $res))",
];

/// Functions about things.
const THINGS: [Callee; 6] = [("g0", 1, 1), ("g1", 1, 1), ("g2", 1, 1), ("g3", 2, 1), ("g4", 1, 1), ("g5", 2, 1)];

/// Their types.
const THING_TYPES: [&str; 6] = [
    "(param \"n\" u32) (result (own $thing))",
    "(param \"lent\" (borrow $thing)) (result u32)",
    "(param \"given\" (own $thing)) (result u32)",
    "(param \"lent\" (borrow $thing)) (param \"given\" (own $thing)) (result (own $thing))",
    "(param \"given\" (own $res)) (result (own $thing))",
    "(param \"lent\" (borrow $res)) (param \"other\" (borrow $thing)) (result (own $res))",
];

/// Functions that the host calls, by their numbers of parameters.
const RUNS: [usize; 5] = [2, 1, 1, 1, 2];

const RUN_TYPES: [&str; 5] = [
    "(param \"a\" u32) (param \"b\" u32) (result u32)",
    "(param \"n\" u32) (result (own $thing))",
    "(param \"lent\" (borrow $thing)) (result u32)",
    "(param \"given\" (own $thing)) (result u32)",
    "(param \"lent\" (borrow $thing)) (param \"given\" (own $res)) (result (own $thing))",
];

/// What the host has.
pub(crate) fn imports() -> Vec<Signature> {
    ways::HANDLE_IMPORTS.map(ways::signature).collect()
}

/// What the host calls.
pub(crate) fn exports() -> Vec<Signature> {
    ways::HANDLE_EXPORTS.map(ways::signature).collect()
}

/// A call of an export, or the end of a resource that the host has.
pub(crate) fn call(u: &mut Unstructured<'_>, exports: &[Signature]) -> Result<Call> {
    if u.ratio(1, 6)? {
        return Ok(Call::Drop(u.int_in_range(0..=3)?));
    }
    // Things have to come from somewhere.
    let function = if u.ratio(1, 3)? { 1 } else { u.choose_index(exports.len())? };
    let arg = |ty: &Ty, u: &mut Unstructured<'_>| match ty {
        Ty::OwnThing | Ty::BorrowThing => Ok(Datum::Thing(u.int_in_range(0..=3)?)),
        ty => Datum::random(u, ty),
    };
    let args = exports[function].params.iter().map(|ty| arg(ty, u)).collect::<Result<_>>()?;
    Ok(Call::Export(function, args))
}

/// The component.
pub(crate) fn text(u: &mut Unstructured<'_>) -> Result<String> {
    let mut text = format!("(component\n{}", import_host());
    text += &things(u)?;
    text += "(instance $a (instantiate $a (with \"up\" (instance $up))))\n";
    text += &runs(u)?;
    text += "(alias export $a \"thing\" (type $hidden))\n(export $thing \"thing\" (type $hidden))\n";
    text += "(instance $b (instantiate $b (with \"up\" (instance $up)) (with \"a\" (instance $a))))\n";
    for (number, ty) in RUN_TYPES.iter().enumerate() {
        let _ = writeln!(
            text,
            "(alias export $b \"f{number}\" (func $e{number})) (export \"f{number}\" (func $e{number}) (func {ty}))"
        );
    }
    Ok(text + ")")
}

fn import_host() -> String {
    let mut text = String::from("(import \"up\" (instance $up (export \"res\" (type $res (sub resource)))\n");
    for (number, ty) in HOST_TYPES.iter().enumerate() {
        let _ = writeln!(text, "(export \"f{number}\" (func {ty}))");
    }
    text + "))\n(alias export $up \"res\" (type $res))\n"
}

/// The component that defines things.
fn things(u: &mut Unstructured<'_>) -> Result<String> {
    let mut callees = HOST.to_vec();
    callees.extend([("new", 1, 1), ("rep", 1, 1), ("drop-thing", 1, 0), ("drop-res", 1, 0)]);
    let mut text = format!("(component $a\n{}", import_host());
    // The destructor is there before the type is, so it calls through a table what is there later.
    text += r#"(core module $early
        (type $dtor (func (param i32)))
        (table (export "table") 1 1 funcref)
        (func (export "dtor") (param i32) (call_indirect (type $dtor) (local.get 0) (i32.const 0))))
      (core instance $early (instantiate $early))
      (type $own (resource (rep i32) (dtor (core func $early "dtor"))))
      (core func $new (canon resource.new $own))
      (core func $rep (canon resource.rep $own))
      (core func $drop-thing (canon resource.drop $own))
      (core func $drop-res (canon resource.drop $res))
"#;
    text += &lowered(&HOST, "up");
    let mut functions = String::from("(elem (i32.const 0) func $dtor)\n");
    functions += &script(u, "(func $dtor (param i32)", 1, 0, &callees, 2)?;
    for (name, params, results) in THINGS {
        functions += &script(u, &exported(name, params, results), params, results, &callees, 4)?;
    }
    text += &module(
        &callees,
        "(import \"early\" \"table\" (table 1 1 funcref))\n",
        &functions,
        "(with \"early\" (instance $early))",
    );
    text += "(export $thing \"thing\" (type $own))\n(export \"res\" (type $res))\n";
    text += &lifted(&THINGS.map(|(name, ..)| name), &THING_TYPES);
    Ok(text + ")\n")
}

/// The component that uses them.
fn runs(u: &mut Unstructured<'_>) -> Result<String> {
    let mut callees = [&HOST[..], &THINGS[..]].concat();
    callees.extend([("drop-thing", 1, 0), ("drop-res", 1, 0)]);
    let mut text = format!("(component $b\n{}", import_host());
    text += "(import \"a\" (instance $a (alias outer $b $res (type $res)) (export \"thing\" (type $thing (sub resource)))\n";
    for ((name, ..), ty) in THINGS.iter().zip(THING_TYPES) {
        let _ = writeln!(text, "(export \"{name}\" (func {ty}))");
    }
    text += "))\n(alias export $a \"thing\" (type $thing))\n";
    text += "(core func $drop-thing (canon resource.drop $thing)) (core func $drop-res (canon resource.drop $res))\n";
    text += &lowered(&HOST, "up");
    text += &lowered(&THINGS, "a");
    let mut functions = String::new();
    for (number, params) in RUNS.into_iter().enumerate() {
        functions += &script(u, &exported(&format!("f{number}"), params, 1), params, 1, &callees, 6)?;
    }
    text += &module(&callees, "", &functions, "");
    text += &lifted(&["f0", "f1", "f2", "f3", "f4"], &RUN_TYPES);
    Ok(text + ")\n")
}

fn lowered(callees: &[Callee], from: &str) -> String {
    let lower = |(name, ..): &Callee| format!("(core func ${name} (canon lower (func ${from} \"{name}\")))\n");
    callees.iter().map(lower).collect()
}

fn lifted(names: &[&str], types: &[&str]) -> String {
    let lift = |(name, ty): (&&str, &&str)| {
        format!("(func (export \"{name}\") {ty} (canon lift (core func $m \"{name}\")))\n")
    };
    names.iter().zip(types).map(lift).collect()
}

fn numbers(word: &str, count: usize) -> String {
    format!("({word}{})", " i32".repeat(count))
}

fn exported(name: &str, params: usize, results: usize) -> String {
    format!("(func (export \"{name}\") {} {}", numbers("param", params), numbers("result", results))
}

fn module(callees: &[Callee], imports: &str, functions: &str, with: &str) -> String {
    let mut text = format!("(core module $m\n{imports}");
    let mut exports = String::new();
    for (name, params, results) in callees {
        let (params, results) = (numbers("param", *params), numbers("result", *results));
        let _ = writeln!(text, "(import \"\" \"{name}\" (func ${name} {params} {results}))");
        let _ = write!(exports, "(export \"{name}\" (func ${name}))");
    }
    for register in 0..REGISTERS {
        let _ = writeln!(text, "(global $r{register} (mut i32) (i32.const {register}))");
    }
    text + functions + &format!(")\n(core instance $m (instantiate $m {with} (with \"\" (instance {exports}))))\n")
}

/// A function that begins like this, and calls a few others.
fn script(
    u: &mut Unstructured<'_>,
    head: &str,
    params: usize,
    results: usize,
    callees: &[Callee],
    most: usize,
) -> Result<String> {
    let (mut text, mut last) = (head.to_owned(), None);
    for _ in 0..u.int_in_range(0..=most)? {
        let (name, takes, returns) = *u.choose(callees)?;
        let args: String = (0..takes).map(|_| operand(u, params, last)).collect::<Result<_>>()?;
        let call = format!("(call ${name}{args})");
        if returns == 0 {
            text += &call;
        } else {
            let register = u.choose_index(REGISTERS)?;
            let _ = write!(text, "(global.set $r{register} {call})");
            last = Some(register);
        }
    }
    for _ in 0..results {
        text += &operand(u, params, last)?;
    }
    Ok(text + ")\n")
}

/// Mostly a parameter, or what was returned last.
fn operand(u: &mut Unstructured<'_>, params: usize, last: Option<usize>) -> Result<String> {
    Ok(match (u.int_in_range(0..=9)?, last) {
        (0..=3, _) => format!("(local.get {})", u.choose_index(params)?),
        (4..=6, Some(register)) => format!("(global.get $r{register})"),
        (4..=8, _) => format!("(global.get $r{})", u.choose_index(REGISTERS)?),
        _ => format!("(i32.const {})", u.int_in_range(0..=5)?),
    })
}
