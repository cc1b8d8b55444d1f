//! Files that are not what they should be: an error that says what, or harmless answers; never a panic.

use super::super::forge::forge;
use super::super::root::{ROOT_BYTES, ROOT_START, RootRecord};
use super::super::{ArtifactError, Image, OpenOptions, VERSION};
use super::{ask_everything, bytes, file_of, open};
use crate::tunables::{OptLevel, Tunables};
use proptest::prelude::*;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, IntoBytes};

fn root_of(bytes: &[u8]) -> RootRecord {
    RootRecord::read_from_prefix(&bytes[ROOT_START as usize..]).expect("long enough").0
}

/// The file with a root that was changed by somebody who knows how to compute its checksum.
fn forged(change: impl FnOnce(&mut RootRecord)) -> Vec<u8> {
    let mut bytes = bytes();
    let mut root = root_of(&bytes);
    change(&mut root);
    root.checksum = root.compute_checksum();
    bytes[ROOT_START as usize..][..ROOT_BYTES].copy_from_slice(root.as_bytes());
    bytes
}

fn message(bytes: &[u8]) -> String {
    open(bytes).expect_err("must be refused").to_string()
}

#[test]
fn no_byte_of_the_root_can_be_flipped() {
    let good = bytes();
    for at in 0..ROOT_BYTES {
        for mask in [0x01, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[ROOT_START as usize + at] ^= mask;
            assert!(open(&bytes).is_err(), "byte {at} of the root flipped by {mask:#x}");
        }
    }
}

#[test]
fn no_byte_of_the_file_can_be_flipped_unnoticed() {
    let good = bytes();
    for at in (0..good.len()).step_by(7).chain(good.len() - 64..good.len()) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let noticed = open(&bytes).and_then(|view| view.verify());
        assert!(noticed.is_err(), "byte {at:#x}");
    }
}

#[test]
fn a_forged_root_is_refused_or_harmless() {
    let good = bytes();
    for at in 0..ROOT_BYTES - 8 {
        for mask in [0x01, 0x80, 0xff] {
            let forged = forged(|root| root.as_mut_bytes()[at] ^= mask);
            if let Ok(view) = open(&forged) {
                ask_everything(&view);
            }
        }
    }
    assert!(ask_everything(&open(&good).expect("opens")) > 100, "the questions find answers in a sound file");
}

#[test]
fn every_difference_is_named() {
    type Change = fn(&mut RootRecord);
    let cases: &[(Change, &str)] = &[
        (|root| root.target[0] = b'X', r#"target is "X86_64-unknown-linux", expected "x86_64-unknown-linux""#),
        (|root| root.isa = U64::new(1 << 50 | 1), "lacks: bit 50"),
        (|root| root.abi = U64::new(5), "contract of compiled code is 0x0000000000000005, expected 0x"),
        (|root| root.page_bytes = U64::new(16384), "page size is 16384, expected 4096"),
        (|root| root.root_bytes = U32::new(5), "root's length is 5"),
        (|root| root.tunables.interruption = 9, "interruption is choice 9"),
        (|root| root.text.start = U64::new(8192), "start of the text is 8192, expected 4096"),
        (|root| root.text.bytes = U64::new(u64::MAX), "text (4096..18446744073709547519) lies outside"),
        (|root| root.pages.bytes = U64::new(1 << 40), "start of the pages (8192..1099511635968) lies outside the file"),
        (|root| root.meta.start = U64::new(0), "start of the metadata is 0"),
        (|root| root.surface_bytes = U64::new(1 << 20), "surface (0..1048576) lies outside the metadata"),
        (|root| root.cursor = U64::new(7), "its cursor is behind the last step"),
        (|root| root.layout.vmctx = U64::new(0), "its header has another size"),
        (|root| root.layout.state_bytes = U64::new(12), "its state has an impossible size"),
        (|root| root.layout.slot_bytes = U64::new(4096), "its slot does not hold its state"),
        (|root| root.directory[0].count = U64::new(u64::MAX), "types (0..18446744073709551615) lies outside"),
        (|root| root.directory[10].count = U64::new(1000), "imports ("),
        (|root| root.directory[2].count = U64::new(2), "entry 0 of the artifact's entry trampolines"),
        (|root| root.directory[25].start = U64::new(0), "data (0..19) lies outside the metadata behind the surface"),
    ];
    for (change, expected) in cases {
        let message = message(&forged(change));
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}

#[test]
fn other_versions_are_named_before_anything_else() {
    for version in [0, VERSION + 1, u32::MAX] {
        let mut bytes = bytes();
        bytes[ROOT_START as usize + 16..][..4].copy_from_slice(&version.to_le_bytes());
        // The rest means whatever that version says.
        bytes[ROOT_START as usize + 20..][..1000].fill(0xee);
        let error = open(&bytes).expect_err("another version");
        assert!(matches!(error, ArtifactError::Version { found, expected: VERSION } if found == version), "{error}");
        assert!(error.to_string().contains("build it again"), "{error}");
    }
}

#[test]
fn choices_and_source_are_compared_when_asked() {
    let bytes = bytes();
    let open = |options: &OpenOptions| {
        // SAFETY: the file is this test's alone, and nothing of it runs.
        unsafe { Image::open_file(file_of(&bytes), options) }.map(drop)
    };
    let own = super::sample().tunables;
    let with = |tunables| OpenOptions { tunables: Some(tunables), ..OpenOptions::default() };
    open(&with(own.clone())).expect("its own choices");
    let error = open(&with(Tunables { opt_level: OptLevel::None, ..own })).expect_err("other choices");
    assert_eq!(error.to_string(), "the artifact's optimization level is Speed, expected None");
    open(&OpenOptions { source: Some([0xab; 32]), ..OpenOptions::default() }).expect("its own source");
    let error = open(&OpenOptions { source: Some([0; 32]), ..OpenOptions::default() }).expect_err("another source");
    assert!(error.to_string().starts_with("the artifact's source hash is abab"), "{error}");
}

#[test]
fn a_file_that_ends_early_or_late_is_refused_at_every_length() {
    let good = bytes();
    let boundaries =
        (0..=good.len()).step_by(61).chain(0..70).chain(ROOT_START as usize - 3..ROOT_START as usize + 900);
    for length in boundaries.filter(|length| *length < good.len()) {
        assert!(open(&good[..length]).is_err(), "{length} bytes");
    }
    let longer = [&good[..], &[0]].concat();
    let lengths = format!("file length in bytes is {}, expected {}", longer.len(), good.len());
    assert!(message(&longer).contains(&lengths), "{}", message(&longer));
}

#[test]
fn other_files_are_named_as_what_they_are() {
    assert_eq!(message(&[]), "not an artifact: the file is empty");
    assert_eq!(message(b"\0asm\x01\0\0\0"), "not an artifact: it is no ELF file");
    assert_eq!(message(b"\x7fELF"), "not an artifact: it is an ELF file that ends before an artifact's root");
    let program = std::fs::read("/proc/self/exe").expect("this test");
    assert_eq!(message(&program), "not an artifact: it is an ELF file of another kind");
}

fn meta_range() -> core::ops::Range<usize> {
    let root = root_of(&bytes());
    root.meta.start.get() as usize..root.tail_start() as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_refused_or_harmless(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        rehash in any::<bool>(),
    ) {
        let (mut bytes, meta) = (bytes(), meta_range());
        for (at, byte) in &changes {
            bytes[meta.start + at.index(meta.len())] = *byte;
        }
        let changed = bytes != super::bytes();
        if rehash {
            forge(&mut bytes);
        }
        if let Ok(view) = open(&bytes) {
            ask_everything(&view);
            let verdict = view.verify();
            prop_assert!(rehash || verdict.is_err() == changed);
        }
    }

    #[test]
    fn random_numbers_in_records_are_refused_or_harmless(
        at in any::<prop::sample::Index>(),
        number in prop_oneof![Just(u32::MAX), Just(u32::MAX - 1), Just(1 << 31), 0u32..600, any::<u32>()],
    ) {
        let (mut bytes, root) = (bytes(), root_of(&bytes()));
        // Only where there are records, not in the padding between and behind them.
        let ranges = super::super::records::Table::ALL.iter().filter_map(|table| root.range(*table).ok());
        let used: Vec<usize> = ranges.flat_map(|range| range.step_by(4)).collect();
        let at = root.meta.start.get() as usize + used[at.index(used.len())];
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        forge(&mut bytes);
        if let Ok(view) = open(&bytes) {
            ask_everything(&view);
            let _ = view.verify();
        }
    }
}

#[test]
fn unsound_tables_are_named_although_their_hashes_match() {
    use super::super::records::Table;
    let root = root_of(&bytes());
    let place = |table| root.meta.start.get() as usize + root.range(table).expect("inside").start;
    let cases = [
        (place(Table::Functions) + 28, 0u32, "entry 1 of the artifact's functions: its code overlaps"),
        (place(Table::Functions) + 4, 1000, "entry 0 of the artifact's functions: its code lies outside the text"),
        (place(Table::Functions) + 16, 0, "its type does not exist"),
        (place(Table::TrapOffsets) + 4, 3, "entry 1 of the artifact's trap offsets: it is not in order"),
        (place(Table::TrapCodes), 0xffff, "entry 0 of the artifact's trap codes: no such trap"),
        (place(Table::AddressOffsets) + 8, 401, "entry 2 of the artifact's address offsets: it lies outside"),
        (place(Table::Elements) + 8, 77, "entry 1 of the artifact's elements: its type does not exist"),
    ];
    for (at, number, expected) in cases {
        let mut bytes = bytes();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        forge(&mut bytes);
        let error = open(&bytes).expect("opening does not look there").verify().expect_err("unsound").to_string();
        assert!(error.contains(expected), "{error:?} does not say {expected:?}");
    }
}

#[test]
fn records_that_contradict_are_named_by_opening() {
    use super::super::records::Table;
    let root = root_of(&bytes());
    let place = |table| root.meta.start.get() as usize + root.range(table).expect("inside").start;
    let (memories, tables) = (place(Table::Memories), place(Table::Tables));
    let first_memory = bytes()[memories + 16..memories + 24].to_vec();
    let none = [0xff; 4];
    let cases: &[(usize, &[u8], &str)] = &[
        (memories + 64 + 16, &first_memory, "entry 1 of the artifact's memories: it overlaps"),
        (memories + 16, &[1], "entry 0 of the artifact's memories: its place is not inside the slot"),
        (memories + 64 + 62, &[0], "entry 1 of the artifact's memories: its reservation is too small"),
        (memories + 24, &[0xff; 8], "entry 0 of the artifact's memories: its lengths contradict"),
        (memories + 48, &[0xff; 8], "entry 0 of the artifact's memories: its guard is endless"),
        (memories + 60, &[2], "entry 0 of the artifact's memories: a flag of it"),
        (tables + 24, &[0xff; 8], "entry 0 of the artifact's tables: its place is not inside the state"),
        (tables + 32, &none, "entry 0 of the artifact's tables: its place is not inside the state"),
        (tables + 40, &[1], "entry 0 of the artifact's tables: it is no reference type"),
        (place(Table::Globals) + 8, &[4], "entry 0 of the artifact's globals: its place is not inside the state"),
        (place(Table::Values), &[7], "entry 1 of the artifact's types: a value type of it does not exist"),
        (place(Table::Types) + 4, &none, "entry 0 of the artifact's types: a range of it lies outside"),
        (place(Table::Trampolines), &[0, 2, 0, 0], "entry 0 of the artifact's entry trampolines: its code"),
        (place(Table::DataSegments), &[200], "entry 0 of the artifact's data segments: a range of it lies outside"),
        (place(Table::ElemSegments) + 8, &[9], "entry 0 of the artifact's element segments: a range of it"),
        (place(Table::Instances) + 8, &[9], "entry 0 of the artifact's instances: a range of it lies outside"),
        (place(Table::Instances) + 24, &[2], "entry 0 of the artifact's instances: it refers to something"),
        (place(Table::Exports) + 8, &[4], "entry 0 of the artifact's exports: its kind does not exist"),
        (place(Table::Exports) + 16, &none, "entry 0 of the artifact's exports: its code lies outside the text"),
        (place(Table::Imports) + 20, &[0], "entry 0 of the artifact's imports: its type does not exist"),
        (place(Table::Imports) + 16, &[2], "entry 0 of the artifact's imports: it refers to something"),
        (place(Table::Steps), &[6], "entry 0 of the artifact's steps: its kind does not exist"),
        (place(Table::Steps) + 8, &[2], "entry 0 of the artifact's steps: it refers to something"),
        (place(Table::Runs), &[0; 8], "entry 0 of the artifact's page runs: it reaches into the header"),
        (place(Table::Runs) + 9, &[0x10], "entry 0 of the artifact's page runs: it does not follow"),
        (place(Table::Runs) + 16, &[0; 8], "entry 0 of the artifact's page runs: it is empty"),
        (place(Table::Strings), &[0xff], "entry 0 of the artifact's instances: a string of it is not UTF-8"),
    ];
    for (at, change, expected) in cases {
        let mut bytes = bytes();
        bytes[*at..*at + change.len()].copy_from_slice(change);
        let message = message(&bytes);
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
}
