//! Whatever the bytes, a component is made of them or an error, and what is made runs until its fuel is used up.

use super::composition;
use crate::late::Late;
use arbitrary::{Result as Random, Unstructured};
use hatchery::component::{Component, ExportedItem, Linker};
use hatchery::{Bounds, Config, Engine, Error, ErrorKind, Interruption, Limits, Optimization};
use std::sync::LazyLock;

/// What an initialization or a call may use.
const FUEL: u64 = 1_000_000;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// They are refused.
    Refused,
    /// A component that nothing can be made of, as it traps, asks too much, or imports what no host could give.
    Compiled,
    /// A component that was instantiated.
    Instantiated,
}

static ENGINES: LazyLock<[Engine; 2]> = LazyLock::new(|| {
    let plain = Config::new().optimization(Optimization::None).interruption(Interruption::Fuel);
    let explicit = plain.clone().bounds(Bounds::Explicit).memory_reservation(1 << 20);
    [plain, explicit].map(|config| Engine::new(&config).expect("a plain configuration"))
});

/// Compiles bytes that may or may not be a component, and runs what was made.
///
/// # Panics
///
/// When the compiler panics, or something blames ourselves.
pub fn component_bytes(data: &[u8]) -> Became {
    let mut u = Unstructured::new(data);
    let Ok((engine, bytes)) = case(&mut u) else { return Became::Refused };
    match Component::new(&ENGINES[engine], &bytes) {
        Ok(component) => run(&ENGINES[engine], &component),
        Err(error) => {
            no_bug(&error);
            Became::Refused
        }
    }
}

fn no_bug(error: &Error) {
    assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
}

fn run(engine: &Engine, component: &Component) -> Became {
    let mut linker = Linker::<()>::new(engine);
    linker.unknown_imports_trap(true);
    let limits = Limits::new().fuel(FUEL).max_memory(16 << 20).max_table(1 << 16).max_lifted(1 << 20);
    let instance = linker.prepare_with(component, limits).and_then(|prepared| prepared.instantiate(()));
    let mut instance = match instance {
        Ok(instance) => instance,
        Err(error) => {
            no_bug(&error);
            return Became::Compiled;
        }
    };
    for (name, item) in component.exports().iter() {
        let ExportedItem::Func(ty) = item else { continue };
        let func = instance.func_dynamic(name).expect("an export");
        assert_eq!(func.ty().to_string(), ty.to_string());
        instance.set_fuel(FUEL);
        // Where there are parameters, this is refused before anything is called.
        match func.call(&mut instance, &[]) {
            Ok(value) => assert_eq!(value.is_some(), ty.result().is_some()),
            Err(error) => no_bug(&error),
        }
    }
    Became::Instantiated
}

fn case(u: &mut Unstructured<'_>) -> Random<(usize, Vec<u8>)> {
    let kind = u.int_in_range(0..=3)?;
    let engine = u.choose_index(ENGINES.len())?;
    if kind == 0 {
        // For whoever keeps whole components in a corpus.
        return Ok((engine, u.bytes(u.len())?.to_vec()));
    }
    // Those that are changed least go furthest.
    let changes = u.int_in_range(0..=3)?;
    let share = u.len() / 4;
    let mut of_changes = Unstructured::new(u.bytes(share)?);
    let mut bytes = match kind {
        1 => wat::parse_str(*u.choose(&TEXTS)?).map_err(|_| arbitrary::Error::IncorrectFormat)?,
        _ => composition(u, false, Late::default())?.binary,
    };
    for _ in 0..changes {
        change(&mut of_changes, &mut bytes)?;
    }
    Ok((engine, bytes))
}

fn change(u: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Random<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let at = u.choose_index(bytes.len())?;
    match u.int_in_range(0..=9)? {
        0 => bytes[at] = u.arbitrary()?,
        // Indices, counts and kinds are small numbers.
        1..=4 => bytes[at] = u.int_in_range(0..=20)?,
        5 => bytes[at] ^= 1 << u.int_in_range(0..=7)?,
        6 => drop(bytes.remove(at)),
        7 => bytes.insert(at, u.arbitrary()?),
        8 => bytes.truncate(at),
        _ => {
            let (from, length) = (u.choose_index(bytes.len())?, u.int_in_range(1..=40)?);
            let copied = bytes[from..bytes.len().min(from + length)].to_vec();
            bytes.splice(at..at, copied);
        }
    }
    Ok(())
}

/// Components with what compositions do not have.
const TEXTS: [&str; 5] = [
    // Resources, with a destructor, and all that can be done with a handle.
    r#"(component
         (core module $m (global $n (mut i32) (i32.const 0))
           (func (export "drop") (param i32) (global.set $n (local.get 0)))
           (func (export "get") (param i32) (result i32) (local.get 0))
           (func (export "last") (result i32) (global.get $n)))
         (core instance $m (instantiate $m))
         (type $r (resource (rep i32) (dtor (core func $m "drop"))))
         (core func $new (canon resource.new $r))
         (core func $rep (canon resource.rep $r))
         (core func $drop (canon resource.drop $r))
         (core module $k
           (import "" "new" (func $new (param i32) (result i32)))
           (import "" "rep" (func $rep (param i32) (result i32)))
           (import "" "drop" (func $drop (param i32)))
           (func (export "make") (result i32) (call $new (i32.const 7)))
           (func (export "all") (result i32) (local $h i32)
             (local.set $h (call $new (i32.const 5)))
             (call $rep (local.get $h)) (call $drop (local.get $h))))
         (core instance $k (instantiate $k (with "" (instance
           (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
         (export $e "r" (type $r))
         (func (export "make") (result (own $e)) (canon lift (core func $k "make")))
         (func (export "get") (param "r" (borrow $e)) (result u32) (canon lift (core func $m "get")))
         (func (export "last") (result u32) (canon lift (core func $m "last")))
         (func (export "all") (result u32) (canon lift (core func $k "all"))))"#,
    // Aliases of the surroundings, and what is instantiated twice.
    r#"(component
         (core module $ten (func (export "f") (result i32) (i32.const 10)))
         (component $outer
           (component $inner
             (alias outer 2 $ten (core module $m))
             (core instance $i (instantiate $m))
             (func (export "f") (result s32) (canon lift (core func $i "f"))))
           (instance $a (instantiate $inner)) (instance $b (instantiate $inner))
           (export "a" (instance $a)) (export "b" (instance $b)))
         (instance $o (instantiate $outer))
         (alias export $o "a" (instance $a))
         (func (export "f") (alias export $a "f"))
         (export "both" (instance $o)))"#,
    // Components and modules as arguments.
    r#"(component
         (component $apply
           (import "c" (component $c (export "f" (func (result u32)))))
           (import "m" (core module $m (export "g" (func (result i32)))))
           (instance $i (instantiate $c)) (core instance $k (instantiate $m))
           (export "f" (func $i "f"))
           (func (export "g") (result u32) (canon lift (core func $k "g"))))
         (core module $m (func (export "g") (result i32) (i32.const 3)))
         (component $c
           (core module $m (func (export "f") (result i32) (i32.const 4)))
           (core instance $m (instantiate $m))
           (func (export "f") (result u32) (canon lift (core func $m "f"))))
         (instance $i (instantiate $apply (with "c" (component $c)) (with "m" (core module $m))))
         (export "f" (func $i "f")) (export "g" (func $i "g")))"#,
    // Imports of all kinds, lowered.
    r#"(component
         (import "t:t/types" (instance $types
           (type $d (record (field "a" string) (field "b" (list u64)))) (export "d" (type $t (eq $d)))
           (export "r" (type $r (sub resource)))
           (export "[constructor]r" (func (param "d" $t) (result (own $r))))
           (export "[method]r.get" (func (param "self" (borrow $r)) (result (option $t))))))
         (alias export $types "r" (type $r))
         (core module $l (memory (export "m") 1)
           (func (export "a") (param i32 i32 i32 i32) (result i32) (i32.const 64)))
         (core instance $l (instantiate $l))
         (core func $new (canon lower (func $types "[constructor]r") (memory (core memory $l "m"))))
         (core func $get (canon lower (func $types "[method]r.get")
           (memory (core memory $l "m")) (realloc (core func $l "a")) string-encoding=utf16))
         (core func $drop (canon resource.drop $r))
         (core module $k
           (import "" "new" (func $new (param i32 i32 i32 i32) (result i32)))
           (import "" "get" (func $get (param i32 i32)))
           (import "" "drop" (func $drop (param i32)))
           (func (export "f") (result i32)
             (call $get (call $new (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 2)) (i32.const 128))
             (call $drop (i32.const 1)) (i32.const 128)))
         (core instance $k (instantiate $k (with "" (instance
           (export "new" (func $new)) (export "get" (func $get)) (export "drop" (func $drop))))))
         (func (export "f") (result u32) (canon lift (core func $k "f"))))"#,
    // One component doubled again and again.
    r#"(component
         (component $a (core module $m (func (export "f") (result i32) (i32.const 1)))
           (core instance $m (instantiate $m))
           (func (export "f") (result u32) (canon lift (core func $m "f"))))
         (component $b (alias outer 1 $a (component $x)) (instance $i (instantiate $x)) (instance $j (instantiate $x))
           (export "i" (instance $i)) (export "j" (instance $j)))
         (component $c (alias outer 1 $b (component $x)) (instance $i (instantiate $x)) (instance $j (instantiate $x))
           (export "i" (instance $i)) (export "j" (instance $j)))
         (component $d (alias outer 1 $c (component $x)) (instance $i (instantiate $x)) (instance $j (instantiate $x))
           (export "i" (instance $i)) (export "j" (instance $j)))
         (instance $d (instantiate $d))
         (export "d" (instance $d)))"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_is_sound() {
        for text in TEXTS {
            let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
            for engine in ENGINES.iter() {
                let component = Component::new(engine, &bytes).unwrap_or_else(|error| panic!("{error}\n{text}"));
                assert_eq!(run(engine, &component), Became::Instantiated, "{text}");
            }
        }
    }
}
