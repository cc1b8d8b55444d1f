//! Whatever the bytes of an artifact, opening it is an error or a module that can be looked at.

#![expect(unsafe_code, reason = "opens files that it made, and runs only code that nobody changed")]

use arbitrary::{Result as Random, Unstructured};
use hatchery::{
    Artifact, Bounds, Config, Engine, Error, ErrorKind, Extern, Instance, Limits, Linker, Module, ModuleSet,
    Optimization, SnapshotOptions, Val,
};
use hatchery_image::artifact::{Sections, forge};
use std::fs::File;
use std::io::{Seek, Write};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Most bytes of memory that an instance of a changed artifact gets.
const MAX_MEMORY: u64 = 16 << 20;

/// What became of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// They are refused.
    Refused,
    /// They are a module, which verification refuses.
    Unverified,
    /// They are a module whose tables are sound.
    Sound,
}

/// Changes an artifact, makes the hashes right again or does not, opens what came out, and asks it everything but
/// to run.
///
/// # Panics
///
/// When an unchanged artifact is refused, a change passes verification although no hash was forged, or an
/// error blames ourselves.
pub fn artifact(data: &[u8]) -> Opened {
    let Ok(case) = case(&mut Unstructured::new(data)) else { return Opened::Refused };
    let file = in_memory(&case.bytes);
    // SAFETY: nobody else has the file; no code of it runs unless it is what a compiler of ours made.
    let opened = unsafe { Artifact::open(path(&file)) };
    let result = opened.and_then(|artifact| look(artifact, case.original()));
    match result {
        Ok(opened) => {
            assert!(opened != Opened::Sound || case.forged || case.original(), "a change passed verification");
            opened
        }
        Err(error) => {
            assert!(!case.original(), "refused: {error}");
            assert_ne!(error.kind(), ErrorKind::Bug, "{error:?}");
            assert!(!error.to_string().is_empty());
            Opened::Refused
        }
    }
}

/// A module of ours, from the bytes of its artifact.
#[cfg(feature = "inject")]
pub(crate) fn reopened(engine: &Engine, bytes: &[u8]) -> Module {
    let file = in_memory(bytes);
    // SAFETY: nobody else has the file, and a compiler of ours made what is in it.
    unsafe { Module::open(engine, path(&file)) }.expect("an artifact for this engine")
}

fn path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

struct Case {
    bytes: Vec<u8>,
    source: &'static [u8],
    forged: bool,
}

impl Case {
    fn original(&self) -> bool {
        self.bytes == self.source
    }
}

/// Everything there is to ask, of the module and of an instance that never runs.
fn look(artifact: Artifact, original: bool) -> Result<Opened, Error> {
    artifact.notes().for_each(drop);
    let engine = Engine::new(&artifact.config())?;
    let module = artifact.into_module(&engine)?;
    module.imports().for_each(drop);
    let inspection = module.inspect();
    assert!(inspection.cursor <= inspection.plan.len(), "the cursor is in the plan");
    let opened = if module.verify().is_ok() { Opened::Sound } else { Opened::Unverified };
    let serialized = module.serialize()?;
    assert_eq!(serialized.len() as u64, inspection.file_bytes);
    if let Some(mut instance) = instance(&engine, &module)? {
        look_at(&mut instance);
        if original {
            instance.initialize()?;
            call(&mut instance);
        }
    }
    Ok(opened)
}

/// An instance, if the limits allow one and no import is asked for.
fn instance(engine: &Engine, module: &Module) -> Result<Option<Instance<()>>, Error> {
    let limits = Limits::new().max_memory(MAX_MEMORY).max_table(1 << 16);
    let prepared = match Linker::new(engine).prepare_with(module, limits) {
        Ok(prepared) => prepared,
        Err(error) if error.kind() == ErrorKind::Bug => return Err(error),
        Err(_) => return Ok(None),
    };
    match prepared.allocate(()) {
        Ok(instance) => Ok(Some(instance)),
        Err(error) if error.kind() == ErrorKind::Bug => Err(error),
        Err(_) => Ok(None),
    }
}

fn look_at(instance: &mut Instance<()>) {
    for (_, item) in instance.exports() {
        match item {
            Extern::Func(func) => drop(func.ty(&mut *instance).expect("its own")),
            Extern::Global(global) => drop(global.get(&mut *instance)),
            Extern::Table(table) => {
                let length = table.size(&mut *instance);
                for index in [0, 1, length.wrapping_sub(1), length] {
                    drop(table.get(&mut *instance, index));
                }
            }
            Extern::Memory(memory) => {
                let sum = |bytes: &[u8]| bytes.iter().fold(0u64, |sum, byte| sum.wrapping_add(u64::from(*byte)));
                let looked = memory.borrow(&mut *instance, |memory| Ok(sum(memory.slice(0, memory.len())?)));
                assert!(looked.is_ok(), "all of a memory can be read: {looked:?}");
            }
            _ => {}
        }
    }
}

/// Calls `answer`, which every original has.
fn call(instance: &mut Instance<()>) {
    let answer = instance.func::<(), (i32,)>("answer").expect("an export");
    assert_eq!(answer.call(&mut *instance, ()).expect("no trap"), (42,));
    let Some(Extern::Func(answer)) = instance.export("answer") else { panic!("an export") };
    assert!(matches!(answer.call_dynamic(instance, &[]).as_deref(), Ok([Val::I32(42)])));
}

fn in_memory(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile_in("/dev/shm").or_else(|_| tempfile::tempfile()).expect("a file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("room for a small file");
    file
}

fn case(u: &mut Unstructured<'_>) -> Random<Case> {
    let (source, sections) = u.choose(&ORIGINALS)?;
    let mut bytes = source.clone();
    for _ in 0..u.int_in_range(0..=6)? {
        change(u, &mut bytes, sections)?;
    }
    let forged = u.ratio(3, 4)?;
    if forged {
        forge(&mut bytes);
    }
    Ok(Case { bytes, source, forged })
}

fn change(u: &mut Unstructured<'_>, bytes: &mut Vec<u8>, sections: &Sections) -> Random<()> {
    let everything = 0..bytes.len();
    let part = match u.int_in_range(0..=9)? {
        0..=2 => &sections.root,
        3..=6 => &sections.surface,
        7 => &sections.meta,
        8 => &sections.pages,
        _ => &everything,
    };
    let part = part.start.min(bytes.len())..part.end.min(bytes.len());
    if part.is_empty() {
        return Ok(());
    }
    let at = part.start + u.choose_index(part.len())?;
    match u.int_in_range(0..=11)? {
        0 => bytes.truncate(at),
        1 => bytes.extend_from_slice(u.bytes(u.len().min(9))?),
        2 => bytes[at] = u.arbitrary()?,
        3 => bytes[at] ^= 1 << u.int_in_range(0..=7)?,
        4..=6 => put(bytes, at & !3, &number(u, 32)?.to_le_bytes()[..4]),
        7..=9 => put(bytes, at & !7, &number(u, 64)?.to_le_bytes()),
        _ => {
            let from = part.start + u.choose_index(part.len())?;
            let length = u.int_in_range(1..=64)?;
            let copied = bytes[from..part.end.min(from + length)].to_vec();
            put(bytes, at, &copied);
        }
    }
    Ok(())
}

fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    let range: Range<usize> = at.min(bytes.len())..(at + new.len()).min(bytes.len());
    let length = range.len();
    bytes[range].copy_from_slice(&new[..length]);
}

/// A number at an edge, or any.
fn number(u: &mut Unstructured<'_>, bits: u32) -> Random<u64> {
    let power = 1u64 << u.int_in_range(0..=bits - 1)?;
    Ok(match u.int_in_range(0..=5)? {
        0 => power,
        1 => power - 1,
        2 => power.wrapping_neg(),
        3 => u.int_in_range(0..=40)?,
        4 => u.int_in_range(0..=1 << 16)?,
        _ => u.arbitrary()?,
    })
}

/// What is changed: sound artifacts with something of everything.
static ORIGINALS: LazyLock<Vec<(Vec<u8>, Sections)>> = LazyLock::new(|| {
    let plain = Config::new().optimization(Optimization::None);
    let explicit = plain.clone().bounds(Bounds::Explicit).memory_reservation(1 << 20);
    let modules = [(&plain, SMALL), (&plain, LARGE), (&explicit, LARGE)];
    let mut originals: Vec<_> = modules.iter().map(|(config, text)| compiled(config, text).serialize()).collect();
    originals.push(snapshot(&plain).serialize());
    originals.push(linked(&plain).serialize());
    let with_sections = |bytes: Result<Vec<u8>, Error>| {
        let mut bytes = bytes.expect("artifacts");
        let sections = forge(&mut bytes).expect("a root");
        (bytes, sections)
    };
    originals.into_iter().map(with_sections).collect()
});

const SMALL: &str = r#"(module (func (export "answer") (result i32) (i32.const 42)))"#;

const LARGE: &str = r#"
    (module $large
      (type $binary (func (param i32 i32) (result i32)))
      (type $many (func (param i64 f32 f64 v128 funcref externref) (result f64 i64)))
      (memory (export "memory") 1 4)
      (memory $second (export "second") i64 1)
      (table $table (export "table") 4 20 funcref)
      (table (export "values") 3 externref)
      (global (export "counter") (mut i64) (i64.const 7))
      (global (export "constant") f64 (f64.const 2.5))
      (global (export "function") (mut funcref) (ref.func $add))
      (data (i32.const 100) "some data")
      (data (memory $second) (i64.const 65000) "more data, elsewhere")
      (data $passive "kept for later")
      (elem (i32.const 1) func $add $answer)
      (elem $late func $answer $add)
      (func $add (export "add") (type $binary) (i32.add (local.get 0) (local.get 1)))
      (func (export "many") (type $many) (local.get 2) (local.get 0))
      (func $start (i32.store (i32.const 4) (i32.div_s (i32.const 420) (i32.const 10))))
      (start $start)
      (func (export "late")
        (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 4))
        (table.init $table $late (i32.const 0) (i32.const 0) (i32.const 1))
        (drop (memory.grow (i32.const 1))))
      (func $answer (export "answer") (result i32) (i32.load (i32.const 4))))"#;

fn compiled(config: &Config, text: &str) -> Module {
    Module::new(&Engine::new(config).expect("an engine"), text).expect("compiles")
}

fn snapshot(config: &Config) -> Module {
    let engine = Engine::new(config).expect("an engine");
    let module = Module::new(&engine, LARGE).expect("compiles");
    module.snapshot(&Linker::new(&engine), SnapshotOptions::new(), || ()).expect("initializes").0
}

fn linked(config: &Config) -> Module {
    let mut set = ModuleSet::new(&Engine::new(config).expect("an engine"));
    let library = set.module(LARGE).expect("text");
    let library = set.instance(library, Some("library"), &[]);
    let program = r#"
        (module
          (import "library" "answer" (func $answer (result i32)))
          (import "library" "memory" (memory 1 4))
          (func $start (i32.store8 (i32.const 200) (call $answer)))
          (start $start)
          (func (export "answer") (result i32) (i32.load8_u (i32.const 200))))"#;
    let program = set.module(program).expect("text");
    set.instance(program, Some("program"), &[("library", library)]);
    set.compile().expect("compiles")
}
