//! What the core modules of a component do: relay a call to the component below, honestly or with something wrong.

use super::tree::Signature;
use super::types::{Flat, flat_params, flat_result, record_size};
use arbitrary::{Result, Unstructured};
use std::fmt::Write as _;

/// Where a core module lets its results be put.
const RESULTS: u32 = 1024;

/// Where its `realloc` begins.
const HEAP: u32 = 16384;

/// Most pages of a memory.
const PAGES: u32 = 6;

/// What `realloc` does from a certain call on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Realloc {
    Honest,
    /// Makes the memory larger first.
    Grows,
    /// Gives the same place twice.
    Overlaps,
    Misaligned,
    /// So many bytes before the memory's end.
    AtTheEnd(u32),
    Constant(u32),
    Traps,
    /// Calls out.
    Leaves,
}

/// What happens instead of, or besides, relaying a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tamper {
    /// Another flat argument.
    Argument(usize, u32),
    /// A word of the parameters in memory.
    Parameter(u32, u32),
    /// Another place for the result.
    ResultAt(u32),
    /// A word of the result in memory.
    Result(u32, u32),
    /// Another flat result.
    Returned(u32),
    /// A handle is dropped before the call, or after it.
    DropBefore(u32),
    DropAfter(u32),
    /// Nobody is called.
    NoCall,
    Traps,
}

/// What follows a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PostReturn {
    None,
    Honest,
    Traps,
    Leaves,
}

/// How a component's core modules behave.
#[derive(Debug)]
pub(crate) struct Behaviour {
    pub(crate) encoding: &'static str,
    realloc: Realloc,
    realloc_after: u32,
    garbage: Vec<u32>,
    /// For each function.
    functions: Vec<(Vec<Tamper>, PostReturn)>,
}

impl Behaviour {
    /// A component that does what it should.
    pub(crate) fn honest(u: &mut Unstructured<'_>, functions: usize) -> Result<Behaviour> {
        let encoding = *u.choose(&["utf8", "utf16", "latin1+utf16"])?;
        let realloc = if u.ratio(1, 5)? { Realloc::Grows } else { Realloc::Honest };
        let post = |u: &mut Unstructured<'_>| {
            Ok((Vec::new(), if u.arbitrary()? { PostReturn::Honest } else { PostReturn::None }))
        };
        let functions = (0..functions).map(|_| post(u)).collect::<Result<_>>()?;
        Ok(Behaviour { encoding, realloc, realloc_after: 0, garbage: Vec::new(), functions })
    }

    /// A component that may do anything.
    pub(crate) fn any(u: &mut Unstructured<'_>, signatures: &[Signature]) -> Result<Behaviour> {
        let mut all = Behaviour::honest(u, signatures.len())?;
        if u.ratio(1, 3)? {
            all.realloc = realloc(u)?;
            all.realloc_after = u.int_in_range(0..=3)?;
        }
        all.garbage = (0..u.int_in_range(0..=60)?).map(|_| word(u)).collect::<Result<_>>()?;
        for (number, (tampers, post)) in all.functions.iter_mut().enumerate() {
            for _ in 0..u.int_in_range(0..=3)? {
                tampers.push(tamper(u, &signatures[number])?);
            }
            if u.ratio(1, 12)? {
                *post = *u.choose(&[PostReturn::Traps, PostReturn::Leaves])?;
            }
        }
        Ok(all)
    }

    /// The module with the memory and `realloc`.
    pub(crate) fn library(&self) -> String {
        let data: String =
            self.garbage.iter().flat_map(|word| word.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
        let honest = format!(
            "(local.set $at (i32.and
               (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
               (i32.sub (i32.const 0) (local.get 2))))
             (block $fits (loop $more
               (br_if $fits (i32.le_u (i32.add (local.get $at) (local.get 3)) (i32.mul (memory.size) (i32.const 65536))))
               (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))
               unreachable))
             {}
             (memory.copy (local.get $at) (local.get 0) (select (local.get 1) (local.get 3)
               (i32.lt_u (local.get 1) (local.get 3))))
             (local.get $at)",
            if self.realloc == Realloc::Overlaps { "" } else { "(global.set $next (i32.add (local.get $at) (local.get 3)))" }
        );
        let lie = match self.realloc {
            Realloc::Honest | Realloc::Overlaps => String::new(),
            Realloc::Grows => "(drop (memory.grow (i32.const 1)))".into(),
            Realloc::Misaligned => "(return (i32.add (global.get $next) (i32.const 1)))".into(),
            Realloc::AtTheEnd(back) => {
                format!("(return (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const {back})))")
            }
            Realloc::Constant(pointer) => format!("(return (i32.const {pointer}))"),
            Realloc::Traps => "unreachable".into(),
            Realloc::Leaves => "(call_indirect (type $none) (i32.const 0))".into(),
        };
        format!(
            r#"(core module $libc
                 (type $none (func))
                 (table (export "table") 1 1 funcref)
                 (memory (export "memory") 1 {PAGES})
                 (data (i32.const 0) "{data}")
                 (global $next (mut i32) (i32.const {HEAP}))
                 (global $calls (mut i32) (i32.const 0))
                 (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                   (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                   (if (i32.gt_u (global.get $calls) (i32.const {})) (then {lie}))
                   {honest}))"#,
            self.realloc_after
        )
    }

    /// The module with the functions.
    pub(crate) fn program(&self, signatures: &[Signature]) -> String {
        let mut text = String::from(
            r#"(core module $main
                 (import "libc" "memory" (memory 1))
                 (import "libc" "table" (table 1 1 funcref))
                 (import "up" "drop" (func $drop (param i32)))"#,
        );
        for (number, signature) in signatures.iter().enumerate() {
            let (params, results) = signature.lowered();
            let _ = write!(text, "(import \"up\" \"f{number}\" (func $up{number} {params} {results}))\n");
        }
        text += "(func $leave (call $drop (i32.const 1))) (elem (i32.const 0) func $leave)\n";
        for ((number, signature), (tampers, post)) in signatures.iter().enumerate().zip(&self.functions) {
            text += &Body { number, signature, tampers }.text();
            let (_, results) = signature.lifted();
            let params = results.replace("result", "param");
            let body = match post {
                PostReturn::None => continue,
                PostReturn::Honest => "",
                PostReturn::Traps => "unreachable",
                PostReturn::Leaves => "(call $leave)",
            };
            let _ = write!(text, "(func (export \"post{number}\") {params} {body})\n");
        }
        text + ")\n"
    }

    /// Whether a function has something that follows its calls.
    pub(crate) fn has_post_return(&self, number: usize) -> bool {
        self.functions[number].1 != PostReturn::None
    }
}

/// A function that relays.
struct Body<'a> {
    number: usize,
    signature: &'a Signature,
    tampers: &'a [Tamper],
}

impl Body<'_> {
    fn text(&self) -> String {
        let (params, results) = self.signature.lifted();
        let mut text = format!("(func (export \"f{}\") {params} {results}", self.number);
        let flat = flat_result(self.signature.result.as_ref());
        if let Some([flat]) = flat.as_deref() {
            let _ = write!(text, " (local $r {})", flat.text());
        }
        for tamper in self.tampers {
            match tamper {
                Tamper::Parameter(at, word) if self.spilled() => {
                    let _ = write!(text, "(i32.store offset={at} align=1 (local.get 0) (i32.const {word}))");
                }
                Tamper::DropBefore(handle) => text += &format!("(call $drop {})", self.handle(*handle)),
                Tamper::Traps => text += "(unreachable)",
                _ => {}
            }
        }
        if self.tampers.iter().any(|tamper| matches!(tamper, Tamper::NoCall)) {
            // What is returned is zero, or what is in memory.
        } else if flat.as_ref().is_some_and(|flat| flat.len() == 1) {
            let _ = write!(text, "(local.set $r {})", self.call());
        } else {
            text += &self.call();
        }
        for tamper in self.tampers {
            match tamper {
                Tamper::Result(at, word) => {
                    let _ = write!(text, "(i32.store align=1 (i32.const {}) (i32.const {word}))", RESULTS + at);
                }
                Tamper::DropAfter(handle) => text += &format!("(call $drop {})", self.handle(*handle)),
                _ => {}
            }
        }
        text += &self.dropped_borrows();
        text + &self.returned(flat.as_deref()) + ")\n"
    }

    fn spilled(&self) -> bool {
        flat_params(&self.signature.params).is_none()
    }

    /// An argument if its number is one, a constant otherwise.
    fn handle(&self, handle: u32) -> String {
        match flat_params(&self.signature.params) {
            Some(flat) if flat.get(handle as usize) == Some(&Flat::I32) => format!("(local.get {handle})"),
            _ => format!("(i32.const {handle})"),
        }
    }

    fn call(&self) -> String {
        let flat = flat_params(&self.signature.params).unwrap_or_else(|| vec![Flat::I32]);
        let mut text = format!("(call $up{}", self.number);
        for (i, flat) in flat.iter().enumerate() {
            let other = self.tampers.iter().find_map(|tamper| match tamper {
                Tamper::Argument(at, word) if *at == i => Some(*word),
                _ => None,
            });
            text += &other.map_or_else(|| format!(" (local.get {i})"), |word| constant(*flat, word));
        }
        if flat_result(self.signature.result.as_ref()).is_none() {
            let other = self.tampers.iter().find_map(|tamper| match tamper {
                Tamper::ResultAt(at) => Some(*at),
                _ => None,
            });
            let _ = write!(text, " (i32.const {})", other.unwrap_or(RESULTS));
        }
        text + ")"
    }

    /// Gives back the borrows that are parameters themselves.
    fn dropped_borrows(&self) -> String {
        let Some(_) = flat_params(&self.signature.params) else { return String::new() };
        let mut at = 0;
        let mut text = String::new();
        for ty in &self.signature.params {
            if *ty == super::types::Ty::Borrow {
                let _ = write!(text, "(call $drop (local.get {at}))");
            }
            at += flat_params(std::slice::from_ref(ty)).map_or(0, |flat| flat.len());
        }
        text
    }

    fn returned(&self, flat: Option<&[Flat]>) -> String {
        let other = self.tampers.iter().find_map(|tamper| match tamper {
            Tamper::Returned(word) => Some(*word),
            _ => None,
        });
        match (flat, other) {
            (Some([]), _) => String::new(),
            (Some([flat, ..]), Some(word)) => constant(*flat, word),
            (Some(_), None) => "(local.get $r)".into(),
            (None, Some(word)) => format!("(i32.const {word})"),
            (None, None) => format!("(i32.const {RESULTS})"),
        }
    }
}

fn constant(flat: Flat, word: u32) -> String {
    match flat {
        Flat::I32 => format!("(i32.const {word})"),
        Flat::I64 => format!("(i64.const {})", u64::from(word) << (word % 3 * 16)),
        Flat::F32 => format!("(f32.reinterpret_i32 (i32.const {word}))"),
        Flat::F64 => format!("(f64.convert_i32_u (i32.const {word}))"),
    }
}

fn realloc(u: &mut Unstructured<'_>) -> Result<Realloc> {
    Ok(match u.int_in_range(0..=7)? {
        0 => Realloc::Overlaps,
        1 => Realloc::Misaligned,
        2 => Realloc::AtTheEnd(u.int_in_range(0..=40)?),
        3 | 4 => Realloc::Constant(word(u)?),
        5 => Realloc::Traps,
        6 => Realloc::Leaves,
        _ => Realloc::Grows,
    })
}

fn tamper(u: &mut Unstructured<'_>, signature: &Signature) -> Result<Tamper> {
    let params = flat_params(&signature.params).map_or(0, |flat| flat.len());
    let place = |u: &mut Unstructured<'_>, bytes: u32| u.int_in_range(0..=bytes.max(4) - 1);
    Ok(match u.int_in_range(0..=15)? {
        0..=3 if params > 0 => Tamper::Argument(u.choose_index(params)?, word(u)?),
        4 | 5 => Tamper::Parameter(place(u, record_size(&signature.params))?, word(u)?),
        6 => Tamper::ResultAt(word(u)?),
        7..=10 => Tamper::Result(place(u, signature.result.as_ref().map_or(4, |ty| ty.size()))?, word(u)?),
        11 => Tamper::Returned(word(u)?),
        12 => Tamper::DropBefore(u.int_in_range(0..=4)?),
        13 => Tamper::DropAfter(u.int_in_range(0..=4)?),
        14 => Tamper::NoCall,
        _ if u.ratio(1, 4)? => Tamper::Traps,
        _ => Tamper::NoCall,
    })
}

/// A number that could be a length, a discriminant, a pointer, a character, or is at an edge of one.
fn word(u: &mut Unstructured<'_>) -> Result<u32> {
    Ok(match u.int_in_range(0..=9)? {
        0..=3 => u.int_in_range(0..=5)?,
        4 => u.int_in_range(0..=70)? * 4,
        5 => RESULTS + u.int_in_range(0..=40)?,
        6 => HEAP + u.int_in_range(0..=100)?,
        7 => {
            const EDGES: [u32; 14] = [
                0xff,
                0x100,
                0xd800,
                0xdfff,
                0x10_ffff,
                0x11_0000,
                0xffff,
                0x1_0000,
                0x0fff_ffff,
                0x1000_0000,
                0x8000_0000,
                0x8000_0002,
                0xffff_fff8,
                0xffff_ffff,
            ];
            *u.choose(&EDGES)?
        }
        8 => 65536 - u.int_in_range(0..=33)?,
        _ => u.arbitrary()?,
    })
}
