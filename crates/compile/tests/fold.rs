//! What is folded into the pages is what running the steps one by one would have left there.

use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::{Image, Tunables};
use proptest::prelude::*;
use std::fmt::Write;

const MEMORY: usize = 64 << 10;
const TABLE: usize = 12;
const FUNCTIONS: usize = 3;

/// A step of a module's instantiation, as this test means it.
#[derive(Debug, Clone)]
enum Step {
    /// An active data segment.
    Data(usize, Vec<u8>),
    /// An active element segment of functions, or null.
    Elem(usize, Vec<Option<usize>>),
    /// A passive data segment, which is no step but has a number.
    Passive(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    // Mostly inside, sometimes across the end, close together so that they overlap.
    let at = prop_oneof![20 => 0usize..60, 5 => 4090usize..4100, 2 => MEMORY - 8..MEMORY + 8];
    prop_oneof![
        3 => (at, prop::collection::vec(any::<u8>(), 0..20)).prop_map(|(at, bytes)| Step::Data(at, bytes)),
        2 => (0usize..TABLE, prop::collection::vec(prop::option::of(0..FUNCTIONS), 0..5))
            .prop_map(|(at, functions)| Step::Elem(at, functions)),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Step::Passive),
    ]
}

/// The module that has these steps, and a start function if asked for.
fn module(steps: &[Step], start: bool) -> String {
    let mut text = format!("(module (memory 1) (table {TABLE} funcref) (func) (func) (func)");
    for step in steps {
        let escape = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
        let written = match step {
            Step::Data(at, bytes) => write!(text, "(data (i32.const {at}) \"{}\")", escape(bytes)),
            Step::Passive(bytes) => write!(text, "(data \"{}\")", escape(bytes)),
            Step::Elem(at, functions) => {
                let item = |function: &Option<usize>| match function {
                    Some(function) => format!("(ref.func {function})"),
                    None => "(ref.null func)".to_owned(),
                };
                let items: String = functions.iter().map(item).collect();
                write!(text, "(elem (i32.const {at}) funcref {items})")
            }
        };
        written.expect("a string takes everything");
    }
    text + if start { "(start 0))" } else { ")" }
}

/// What a set of steps leaves behind.
#[derive(Debug, PartialEq)]
struct State {
    memory: Vec<u8>,
    table: Vec<u64>,
    data_dropped: Vec<bool>,
    elem_dropped: Vec<bool>,
    /// Number of steps done.
    cursor: usize,
}

/// Runs the steps as the specification says: all element segments, then all data segments, up to the
/// first that traps.
fn oracle(steps: &[Step], word: impl Fn(usize) -> u64) -> State {
    let elems = steps.iter().filter(|step| matches!(step, Step::Elem(..)));
    let data = steps.iter().filter(|step| !matches!(step, Step::Elem(..)));
    let mut state = State {
        memory: vec![0; MEMORY],
        table: vec![0; TABLE],
        data_dropped: vec![false; data.clone().count()],
        elem_dropped: vec![false; elems.clone().count()],
        cursor: 0,
    };
    for (number, step) in elems.enumerate() {
        let Step::Elem(at, functions) = step else { continue };
        let Some(slots) = state.table.get_mut(*at..at + functions.len()) else { return state };
        for (slot, function) in slots.iter_mut().zip(functions) {
            *slot = function.map_or(0, &word);
        }
        state.elem_dropped[number] = true;
        state.cursor += 1;
    }
    for (number, step) in data.enumerate() {
        let Step::Data(at, bytes) = step else { continue };
        let Some(slot) = state.memory.get_mut(*at..at + bytes.len()) else { return state };
        slot.copy_from_slice(bytes);
        state.data_dropped[number] = true;
        state.cursor += 1;
    }
    state
}

/// What the image's pages say.
fn folded(image: &Image) -> State {
    let read = |offset: u64, length: usize| {
        let mut bytes = vec![0xaa; length];
        image.pages().read(image.layout().vmctx + offset, &mut bytes).expect("pages");
        bytes
    };
    let flag = |offset: u32| read(offset.into(), 4) != [0; 4];
    let table = read(image.layout().tables[0].offset.into(), 8 * TABLE);
    State {
        memory: read(image.layout().memories[0].offset, MEMORY),
        table: table.chunks(8).map(|word| u64::from_le_bytes(word.try_into().expect("8 bytes"))).collect(),
        data_dropped: image.data_segments().iter().map(|segment| flag(segment.dropped_offset)).collect(),
        elem_dropped: image.elem_segments().iter().map(|segment| flag(segment.dropped_offset)).collect(),
        cursor: image.plan().cursor,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn folding_is_running(steps in prop::collection::vec(step(), 0..12), start in any::<bool>()) {
        let bytes = wat::parse_str(module(&steps, start)).expect("test text");
        let mut set = LinkSet::new();
        let module = set.add_module(bytes);
        set.add_instance(module, None, &[]);
        let image = compile(&set, &Tunables::default(), &Budget::default()).expect("it links");
        let functions: Vec<_> = image.functions().iter().collect();
        let word = |function: usize| u64::from(functions[function].start) << 32 | u64::from(functions[function].ty.get());
        prop_assert_eq!(folded(&image), oracle(&steps, word));
        // What is left can still be read, and what is done cannot.
        let active = steps.iter().filter(|step| !matches!(step, Step::Passive(_))).count();
        prop_assert_eq!(image.plan().steps.len(), active + usize::from(start));
        let data = steps.iter().filter_map(|step| match step {
            Step::Data(_, bytes) | Step::Passive(bytes) => Some(bytes),
            Step::Elem(..) => None,
        });
        for (segment, bytes) in image.data_segments().iter().zip(data) {
            let kept = &image.data()[segment.start..segment.start + segment.length as usize];
            let mut dropped = [0; 4];
            image.pages().read(image.layout().vmctx + u64::from(segment.dropped_offset), &mut dropped).expect("pages");
            prop_assert_eq!(kept, if dropped == [0; 4] { &bytes[..] } else { &[] });
        }
    }
}
