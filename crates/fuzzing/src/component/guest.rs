//! What the core modules of a component do: relay a call to the component below, honestly or with something wrong.

use super::tree::Signature;
use super::types::{Flat, Ty, flat_params, flat_result, record_size};
use arbitrary::{Result, Unstructured};
use std::fmt::Write as _;

/// Where words are that say what `realloc` does, from which call on, and what it returns.
const REALLOC: u32 = 768;

/// Where words are that functions use for others: four for each.
const WORDS: u32 = 800;

/// Where a core module lets its results be put. What is before can be changed from outside.
const RESULTS: u32 = 1024;

/// Where its `realloc` begins.
const HEAP: u32 = 16384;

/// Most pages of a memory.
const PAGES: u32 = 6;

/// What `realloc` does from a certain call on: other numbers than these do what it should.
mod realloc {
    pub(super) const HONEST: u32 = 0;
    /// Makes the memory larger first.
    pub(super) const GROWS: u32 = 1;
    /// Gives the same place twice.
    pub(super) const OVERLAPS: u32 = 2;
    pub(super) const MISALIGNED: u32 = 3;
    /// So many bytes before the memory's end.
    pub(super) const AT_THE_END: u32 = 4;
    pub(super) const CONSTANT: u32 = 5;
    pub(super) const TRAPS: u32 = 6;
    /// Calls out.
    pub(super) const LEAVES: u32 = 7;
}

/// What happens instead of, or besides, relaying a call. Words are taken from memory.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tamper {
    /// Another flat argument.
    Argument(usize),
    /// A word of the parameters in memory.
    Parameter(u32),
    /// Another place for the result.
    ResultAt,
    /// A word of the result in memory.
    Result(u32),
    /// Another flat result.
    Returned,
    /// A handle is dropped before the call, or after it.
    DropBefore(u32),
    DropAfter(u32),
    /// Nobody is called.
    NoCall,
    Traps,
}

impl Tamper {
    /// Whether values become others.
    fn changes_values(&self) -> bool {
        use Tamper::{Argument, DropAfter, DropBefore, NoCall, Parameter, Result, ResultAt, Returned, Traps};
        match self {
            Argument(_) | Parameter(_) | ResultAt | Result(_) | Returned | NoCall => true,
            DropBefore(_) | DropAfter(_) | Traps => false,
        }
    }
}

/// Who calls a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Component,
    Host,
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
    /// Whether `realloc` may do what it should not. How often it is called and for how much is up to a host that passes a
    /// string in another encoding than its own, so that such components take UTF-8. So do those that may take a
    /// pointer to a string for a number.
    lies: bool,
    /// What its memory begins with, up to [`RESULTS`].
    memory: Vec<u32>,
    /// For each function.
    functions: Vec<(Vec<Tamper>, PostReturn)>,
}

impl Behaviour {
    /// A component that does what it should.
    pub(crate) fn honest(u: &mut Unstructured<'_>, functions: usize) -> Result<Behaviour> {
        let encoding = *u.choose(&["utf8", "utf16", "latin1+utf16"])?;
        let mut memory = vec![0; (RESULTS / 4) as usize];
        memory[(REALLOC / 4) as usize] = if u.ratio(1, 5)? { realloc::GROWS } else { realloc::HONEST };
        let post = |u: &mut Unstructured<'_>| {
            Ok((Vec::new(), if u.arbitrary()? { PostReturn::Honest } else { PostReturn::None }))
        };
        let functions = (0..functions).map(|_| post(u)).collect::<Result<_>>()?;
        Ok(Behaviour { encoding, lies: false, memory, functions })
    }

    /// A component that may do anything.
    pub(crate) fn any(u: &mut Unstructured<'_>, signatures: &[Signature]) -> Result<Behaviour> {
        let mut all = Behaviour::honest(u, signatures.len())?;
        if u.arbitrary()? {
            (all.encoding, all.lies) = ("utf8", true);
        }
        for _ in 0..u.int_in_range(0..=60)? {
            let (at, word) = poke(u)?;
            all.memory[(at / 4) as usize] = word;
        }
        for (number, (tampers, post)) in all.functions.iter_mut().enumerate() {
            for _ in 0..u.int_in_range(0..=3)? {
                tampers.push(tamper(u, &signatures[number])?);
            }
            if u.ratio(1, 12)? {
                *post = *u.choose(&[PostReturn::Traps, PostReturn::Leaves])?;
            }
        }
        let text = |signature: &Signature| signature.params.iter().chain(&signature.result).any(Ty::has_text);
        let mut tampers = all.functions.iter().flat_map(|(tampers, _)| tampers);
        if signatures.iter().any(text) && tampers.any(Tamper::changes_values) {
            all.encoding = "utf8";
        }
        Ok(all)
    }

    /// The module with the memory and `realloc`.
    pub(crate) fn library(&self) -> String {
        let data: String =
            self.memory.iter().flat_map(|word| word.to_le_bytes()).map(|b| format!("\\{b:02x}")).collect();
        let word = |at: u32| format!("(i32.load (i32.const {at}))");
        let when =
            |kind: u32, then: &str| format!("(if (i32.eq (local.get $kind) (i32.const {kind})) (then {then}))\n");
        let constant = word(REALLOC + 8);
        let mut lies = when(realloc::GROWS, "(drop (memory.grow (i32.const 1)))");
        if self.lies {
            lies += &when(realloc::OVERLAPS, "(local.set $overlaps (i32.const 1))");
            lies += &when(realloc::MISALIGNED, "(return (i32.add (global.get $next) (i32.const 1)))");
            let end = format!("(return (i32.sub (i32.mul (memory.size) (i32.const 65536)) {constant}))");
            lies += &when(realloc::AT_THE_END, &end);
            lies += &when(realloc::CONSTANT, &format!("(return {constant})"));
            lies += &when(realloc::TRAPS, "(unreachable)");
            lies += &when(realloc::LEAVES, "(call_indirect (type $none) (i32.const 0))");
        }
        format!(
            r#"(core module $libc
                 (type $none (func))
                 (table (export "table") 1 1 funcref)
                 (memory (export "memory") 1 {PAGES})
                 (data (i32.const 0) "{data}")
                 (global $next (mut i32) (i32.const {HEAP}))
                 (global $calls (mut i32) (i32.const 0))
                 (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32) (local $kind i32) (local $overlaps i32)
                   (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
                   (if (i32.gt_u (global.get $calls) {}) (then (local.set $kind {})))
                   {lies}
                   (local.set $at (i32.and
                     (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
                     (i32.sub (i32.const 0) (local.get 2))))
                   (block $fits (loop $more
                     (br_if $fits (i32.le_u (i32.add (local.get $at) (local.get 3))
                       (i32.mul (memory.size) (i32.const 65536))))
                     (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))
                     unreachable))
                   (if (i32.eqz (local.get $overlaps))
                     (then (global.set $next (i32.add (local.get $at) (local.get 3)))))
                   (memory.copy (local.get $at) (local.get 0) (select (local.get 1) (local.get 3)
                     (i32.lt_u (local.get 1) (local.get 3))))
                   (local.get $at)))
"#,
            word(REALLOC + 4),
            word(REALLOC),
        )
    }

    /// The module with the functions.
    pub(crate) fn program(&self, signatures: &[Signature]) -> String {
        let mut text = String::from(
            r#"(core module $main
                 (import "libc" "memory" (memory 1))
                 (import "libc" "table" (table 1 1 funcref))
                 (import "up" "drop" (func $drop (param i32)))
                 (import "up" "drop-other" (func $drop-other (param i32)))"#,
        );
        for (number, signature) in signatures.iter().enumerate() {
            let (params, results) = signature.lowered();
            let _ = writeln!(text, "(import \"up\" \"f{number}\" (func $up{number} {params} {results}))");
        }
        text += "(func $leave (call $drop (i32.const 1))) (elem (i32.const 0) func $leave)\n";
        let mask = RESULTS - 4;
        let poke = format!("(i32.store (i32.and (local.get 0) (i32.const {mask})) (local.get 1))");
        let _ = writeln!(text, "(func (export \"poke\") (param i32 i32) {poke})");
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
            let _ = writeln!(text, "(func (export \"post{number}\") {params} {body})");
        }
        text + ")\n"
    }

    /// Whether a call of this function may pass values at any place in memory: where the component wants a result or says that
    /// its own is, or where its `realloc` lets another component put parameters.
    pub(crate) fn is_stray(&self, number: usize, signature: &Signature, caller: Caller) -> bool {
        let spilled_result = flat_result(signature.result.as_ref()).is_none();
        let stray_result = |tamper: &Tamper| matches!(tamper, Tamper::ResultAt | Tamper::Returned);
        spilled_result && self.functions[number].0.iter().any(stray_result)
            || self.lies && caller == Caller::Component && flat_params(&signature.params).is_none()
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
        for (i, tamper) in self.tampers.iter().enumerate() {
            match tamper {
                Tamper::Parameter(at) if self.spilled() => {
                    let _ = write!(text, "(i32.store offset={at} align=1 (local.get 0) {})", self.word(i));
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
        for (i, tamper) in self.tampers.iter().enumerate() {
            match tamper {
                Tamper::Result(at) => {
                    let _ = write!(text, "(i32.store align=1 (i32.const {}) {})", RESULTS + at, self.word(i));
                }
                Tamper::DropAfter(handle) => text += &format!("(call $drop {})", self.handle(*handle)),
                _ => {}
            }
        }
        text += &self.dropped_borrows();
        text + &self.returned(flat.as_deref()) + ")\n"
    }

    /// The word in memory for the tampering of this number.
    fn word(&self, tamper: usize) -> String {
        format!("(i32.load (i32.const {}))", WORDS + 16 * self.number as u32 + 4 * tamper as u32)
    }

    /// The word for the first tampering that is of this kind.
    fn word_for(&self, is: impl Fn(&Tamper) -> bool) -> Option<String> {
        self.tampers.iter().position(is).map(|tamper| self.word(tamper))
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
            let other = self.word_for(|tamper| matches!(tamper, Tamper::Argument(at) if *at == i));
            text += &other.map_or_else(|| format!(" (local.get {i})"), |word| converted(*flat, &word));
        }
        if flat_result(self.signature.result.as_ref()).is_none() {
            let other = self.word_for(|tamper| matches!(tamper, Tamper::ResultAt));
            text += &other.unwrap_or_else(|| format!(" (i32.const {RESULTS})"));
        }
        text + ")"
    }

    /// Gives back the borrows that are parameters themselves.
    fn dropped_borrows(&self) -> String {
        let Some(_) = flat_params(&self.signature.params) else { return String::new() };
        let mut at = 0;
        let mut text = String::new();
        for ty in &self.signature.params {
            match ty {
                Ty::Borrow => text += &format!("(call $drop (local.get {at}))"),
                Ty::BorrowOther => text += &format!("(call $drop-other (local.get {at}))"),
                _ => {}
            }
            at += flat_params(std::slice::from_ref(ty)).map_or(0, |flat| flat.len());
        }
        text
    }

    fn returned(&self, flat: Option<&[Flat]>) -> String {
        let other = self.word_for(|tamper| matches!(tamper, Tamper::Returned));
        match (flat, other) {
            (Some([]), _) => String::new(),
            (Some([flat, ..]), Some(word)) => converted(*flat, &word),
            (Some(_), None) => "(local.get $r)".into(),
            (None, Some(word)) => word,
            (None, None) => format!("(i32.const {RESULTS})"),
        }
    }
}

/// A flat value out of a word.
fn converted(flat: Flat, word: &str) -> String {
    match flat {
        Flat::I32 => word.into(),
        Flat::I64 => format!("(i64.mul (i64.extend_i32_u {word}) (i64.const 0x100010001))"),
        Flat::F32 => format!("(f32.reinterpret_i32 {word})"),
        Flat::F64 => format!("(f64.convert_i32_u {word})"),
    }
}

/// A place in memory that can be changed from outside, and a word for it.
pub(crate) fn poke(u: &mut Unstructured<'_>) -> Result<(u32, u32)> {
    let (at, word) = match u.int_in_range(0..=9)? {
        0 | 1 => (REALLOC, u.int_in_range(0..=7)?),
        2 => (REALLOC + 4, u.int_in_range(0..=3)?),
        3 => (REALLOC + 8, word(u)?),
        4..=6 => (WORDS + 4 * u.int_in_range(0..=11)?, word(u)?),
        _ => (4 * u.int_in_range(0..=REALLOC / 4 - 1)?, word(u)?),
    };
    Ok((at, word))
}

fn tamper(u: &mut Unstructured<'_>, signature: &Signature) -> Result<Tamper> {
    let params = flat_params(&signature.params).map_or(0, |flat| flat.len());
    let place = |u: &mut Unstructured<'_>, bytes: u32| u.int_in_range(0..=bytes.max(4) - 1);
    Ok(match u.int_in_range(0..=15)? {
        0..=3 if params > 0 => Tamper::Argument(u.choose_index(params)?),
        4 | 5 => Tamper::Parameter(place(u, record_size(&signature.params))?),
        6 => Tamper::ResultAt,
        7..=10 => Tamper::Result(place(u, signature.result.as_ref().map_or(4, |ty| ty.size()))?),
        11 => Tamper::Returned,
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
