//! What runs in a cycle, and which pages it writes.

use std::iter::once;
use std::ops::Range;

/// Bytes of a page of the machine.
pub(crate) const PAGE: usize = 4096;
/// Bytes of data that [`data`] and its relatives start with.
pub(crate) const DATA: usize = 512 * 1024;
/// Bytes of memory that [`data`] and its relatives have.
pub(crate) const MEMORY: usize = 2 * 1024 * 1024;

/// A module whose `run` takes two numbers, and what to call it with.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) wat: String,
    pub(crate) args: (i32, i32),
    /// What a call writes to its memory, as ranges of bytes.
    pub(crate) writes: Vec<Range<usize>>,
    /// How much of the memory has contents from the beginning.
    pub(crate) data: usize,
}

impl Guest {
    /// Whether it makes its memory larger.
    pub(crate) fn grows(&self) -> bool {
        self.wat.contains("memory.grow")
    }
}

/// A memory of a page of 64 KiB, and a call that does nothing.
pub(crate) fn nop() -> Guest {
    let wat = r#"(module (memory (export "memory") 1) (func (export "run") (param i32 i32)))"#.into();
    Guest { wat, args: (0, 0), writes: Vec::new(), data: 0 }
}

/// The same, but the call writes a word.
pub(crate) fn word() -> Guest {
    let wat = r#"(module (memory 1) (func (export "run") (param i32 i32) (i32.store (i32.const 0) (i32.const 1))))"#;
    Guest { wat: wat.into(), args: (0, 0), writes: once(0..PAGE).collect(), data: 0 }
}

/// What writes a word to each of some pages: how many, and how far apart.
const WRITE: &str = r#"(func (export "run") (param $pages i32) (param $stride i32) (local $i i32) (local $at i32)
    (loop $again
      (i32.store (local.get $at) (i32.const 7))
      (local.set $at (i32.add (local.get $at) (local.get $stride)))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $pages)))))"#;

/// A memory of 2 MiB, 512 KiB of data, a table of 2,000 elements, 20 globals; so many pages are written, so far apart.
pub(crate) fn data(pages: usize, stride: usize) -> Guest {
    let bytes: String = (0..DATA).map(|i| ["\\01", "\\02", "\\03"][i % 3]).collect();
    let wat = format!(
        r#"(module (memory 32) (table 2000 2000 funcref) {} (data (i32.const 0) "{bytes}")
            (elem (i32.const 0) {}) (func $f) {WRITE})"#,
        globals(),
        "$f ".repeat(2000)
    );
    Guest { wat, args: arguments(pages, stride), writes: writes(pages, stride), data: DATA }
}

/// What [`data`] is, written by a start function instead of data segments.
pub(crate) fn computed(pages: usize, stride: usize) -> Guest {
    let wat = format!(
        r#"(module (memory 32) (table 2000 2000 funcref) {} (func $f) (elem declare func $f)
            (func $start (local $i i32)
              (loop $fill
                (i32.store (local.get $i) (i32.mul (local.get $i) (i32.const 0x9e3779b1)))
                (br_if $fill
                  (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const {DATA}))))
              (table.fill (i32.const 0) (ref.func $f) (i32.const 2000)))
            (start $start) {WRITE})"#,
        globals()
    );
    Guest { wat, args: arguments(pages, stride), writes: writes(pages, stride), data: DATA }
}

/// What grows by this many pages of 64 KiB, and writes the first and the last byte of what it got.
pub(crate) fn grow(pages: i32) -> Guest {
    let wat = r#"(module (memory 1)
        (func (export "run") (param $pages i32) (param i32) (local $old i32)
          (local.set $old (i32.mul (memory.grow (local.get $pages)) (i32.const 65536)))
          (i32.store8 (local.get $old) (i32.const 1))
          (i32.store8 offset=65535
            (i32.add (local.get $old) (i32.mul (i32.sub (local.get $pages) (i32.const 1)) (i32.const 65536)))
            (i32.const 1))))"#;
    Guest { wat: wat.into(), args: (pages, 0), writes: Vec::new(), data: 0 }
}

fn globals() -> String {
    (0..20).map(|i| format!("(global (mut i32) (i32.const {i}))")).collect()
}

fn arguments(pages: usize, stride: usize) -> (i32, i32) {
    (pages as i32, stride as i32)
}

/// The pages that are written; neighbours become one range.
fn writes(pages: usize, stride: usize) -> Vec<Range<usize>> {
    if stride == PAGE {
        return once(0..pages * PAGE).collect();
    }
    (0..pages).map(|page| page * stride..page * stride + PAGE).collect()
}
