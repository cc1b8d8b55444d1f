//! Built-ins against a naive model: vectors of bytes and words.

use super::image::{DATA, DATA_SPLIT, Function, Guest, Recipe, TABLES, trap_of};
use crate::{Instance, Limits};
use hatchery_alloc::{InstanceAllocator, OnDemand};
use hatchery_image::abi::Builtin;
use hatchery_image::{Interruption, MemoryId, TableId, TrapCode, WASM_PAGE};
use hatchery_thirdparty_alloc::Recycler;
use std::sync::Arc;

/// What an instance must look like.
struct Model {
    memories: Vec<Vec<u8>>,
    most_pages: Vec<u64>,
    tables: Vec<Vec<u64>>,
    data_dropped: [bool; 2],
    elem: Vec<u64>,
    elem_dropped: bool,
}

/// What a built-in answers: its result, or the trap.
type Answer = Result<i64, TrapCode>;

fn range(start: i64, length: i64, limit: usize, trap: TrapCode) -> Result<std::ops::Range<usize>, TrapCode> {
    let (start, length) = (start as u64 as u128, length as u64 as u128);
    if start + length > limit as u128 { Err(trap) } else { Ok(start as usize..(start + length) as usize) }
}

impl Model {
    fn new(recipe: &Recipe, elem: Vec<u64>) -> Model {
        Model {
            memories: recipe.memories.iter().map(|(min, _)| vec![0; (min * WASM_PAGE) as usize]).collect(),
            most_pages: recipe.memories.iter().map(|(_, max)| *max).collect(),
            tables: TABLES.iter().map(|(min, _)| vec![0; *min as usize]).collect(),
            data_dropped: [false; 2],
            elem,
            elem_dropped: false,
        }
    }

    fn run(&mut self, builtin: Builtin, a: &[i64]) -> Answer {
        const MEMORY: TrapCode = TrapCode::MemoryOutOfBounds;
        const TABLE: TrapCode = TrapCode::TableOutOfBounds;
        match builtin {
            Builtin::MemoryGrow => {
                let memory = &mut self.memories[a[0] as usize];
                let old = memory.len() as u64 / WASM_PAGE;
                if (a[1] as u64) > self.most_pages[a[0] as usize] - old {
                    return Ok(-1);
                }
                memory.resize(((old + a[1] as u64) * WASM_PAGE) as usize, 0);
                return Ok(old as i64);
            }
            Builtin::MemoryFill => {
                let memory = &mut self.memories[a[0] as usize];
                let to = range(a[1], a[3], memory.len(), MEMORY)?;
                memory[to].fill(a[2] as u8);
            }
            Builtin::MemoryCopy => {
                let from = range(a[3], a[4], self.memories[a[1] as usize].len(), MEMORY)?;
                let to = range(a[2], a[4], self.memories[a[0] as usize].len(), MEMORY)?;
                let bytes = self.memories[a[1] as usize][from].to_vec();
                self.memories[a[0] as usize][to].copy_from_slice(&bytes);
            }
            Builtin::MemoryInit => {
                let segment = if a[0] == 0 { &DATA[..DATA_SPLIT] } else { &DATA[DATA_SPLIT..] };
                let segment = if self.data_dropped[a[0] as usize] { &[][..] } else { segment };
                let from = range(a[3], a[4], segment.len(), MEMORY)?;
                let memory = &mut self.memories[a[1] as usize];
                let to = range(a[2], a[4], memory.len(), MEMORY)?;
                memory[to].copy_from_slice(&segment[from]);
            }
            Builtin::DataDrop => self.data_dropped[a[0] as usize] = true,
            Builtin::TableGrow => {
                let table = &mut self.tables[a[0] as usize];
                let old = table.len() as u64;
                if (a[2] as u64) > TABLES[a[0] as usize].1 - old {
                    return Ok(-1);
                }
                table.resize((old + a[2] as u64) as usize, a[1] as u64);
                return Ok(old as i64);
            }
            Builtin::TableFill => {
                let table = &mut self.tables[a[0] as usize];
                let to = range(a[1], a[3], table.len(), TABLE)?;
                table[to].fill(a[2] as u64);
            }
            Builtin::TableCopy => {
                let from = range(a[3], a[4], self.tables[a[1] as usize].len(), TABLE)?;
                let to = range(a[2], a[4], self.tables[a[0] as usize].len(), TABLE)?;
                let words = self.tables[a[1] as usize][from].to_vec();
                self.tables[a[0] as usize][to].copy_from_slice(&words);
            }
            Builtin::TableInit => {
                let segment = if self.elem_dropped { &[][..] } else { &self.elem[..] };
                let from = range(a[3], a[4], segment.len(), TABLE)?;
                let table = &mut self.tables[a[1] as usize];
                let to = range(a[2], a[4], table.len(), TABLE)?;
                table[to].copy_from_slice(&segment[from]);
            }
            Builtin::ElemDrop => self.elem_dropped = true,
            other => panic!("{other:?} has no model"),
        }
        Ok(0)
    }

    fn check(&self, instance: &mut Instance<()>) {
        let access = instance.access();
        for (i, memory) in self.memories.iter().enumerate() {
            assert!(access.memory_bytes(MemoryId(i as u32)) == Some(&memory[..]), "memory {i} differs");
        }
        for (i, table) in self.tables.iter().enumerate() {
            let id = TableId(i as u32);
            assert_eq!(access.table_len(id), Some(table.len() as u64));
            let words: Vec<_> = (0..table.len() as u64).map(|at| access.table_get(id, at).expect("inside")).collect();
            assert_eq!(words, *table, "table {i} differs");
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }

    /// Near the ends of what there is, near the ends of what can be said, or anything between.
    fn place(&mut self, length: u64, bits: u32) -> i64 {
        let near = self.below(5);
        let value = match self.below(8) {
            0 => near,
            1 => length.wrapping_sub(near),
            2 => length + near,
            3 => u64::MAX.wrapping_sub(near),
            _ => self.below(length + 1),
        };
        (value & (u64::MAX >> (64 - bits))) as i64
    }
}

const ALL: [Builtin; 10] = [
    Builtin::MemoryGrow,
    Builtin::MemoryFill,
    Builtin::MemoryCopy,
    Builtin::MemoryInit,
    Builtin::DataDrop,
    Builtin::TableGrow,
    Builtin::TableFill,
    Builtin::TableCopy,
    Builtin::TableInit,
    Builtin::ElemDrop,
];

fn arguments(random: &mut Random, builtin: Builtin, model: &Model) -> Vec<i64> {
    let (one, other) = (random.below(2), random.below(2));
    let (memory, table) =
        (|i: u64| model.memories[i as usize].len() as u64, |i: u64| model.tables[i as usize].len() as u64);
    let (a, b) = (one as i64, other as i64);
    let some = random.below(40);
    let mut length = |limit: u64| random.place(limit.min(3 * some * some), 64);
    match builtin {
        Builtin::MemoryGrow => vec![a, length(3)],
        Builtin::MemoryFill => {
            let length = length(memory(one));
            vec![a, random.place(memory(one), 64), random.below(300) as i64, length]
        }
        Builtin::MemoryCopy => {
            let length = length(memory(one));
            vec![a, b, random.place(memory(one), 64), random.place(memory(other), 64), length]
        }
        Builtin::MemoryInit => {
            vec![a, b, random.place(memory(other), 64), random.place(10, 32), random.place(20, 32)]
        }
        Builtin::DataDrop => vec![a],
        Builtin::TableGrow => vec![a, random.below(1 << 60) as i64, random.place(40, 64)],
        Builtin::TableFill => {
            let length = length(table(one));
            vec![a, random.place(table(one), 64), random.below(1 << 60) as i64, length]
        }
        Builtin::TableCopy => {
            let length = length(table(one));
            vec![a, b, random.place(table(one), 64), random.place(table(other), 64), length]
        }
        Builtin::TableInit => vec![0, b, random.place(table(other), 64), random.place(5, 32), random.place(5, 32)],
        _ => vec![0],
    }
}

fn against_the_model(allocator: Arc<dyn InstanceAllocator>, seed: u64) {
    let recipe = Recipe::default();
    let guest = Guest::with(&recipe, vec![], allocator, Limits::default());
    let mut instance = guest.instance(());
    let elem = guest.prepared.image().elem_segments().get(0).expect("a segment").elements().collect();
    let (mut model, mut random) = (Model::new(&recipe, elem), Random(seed));
    for round in 0..600 {
        // Drops end what can be tried, so they are rare.
        let mut builtin = ALL[random.below(ALL.len() as u64) as usize];
        if matches!(builtin, Builtin::DataDrop | Builtin::ElemDrop) && random.below(20) > 0 {
            builtin = Builtin::MemoryCopy;
        }
        let arguments = arguments(&mut random, builtin, &model);
        let is = match guest.call(&mut instance, Function::Builtin(builtin), &arguments) {
            Ok(value) if builtin.result().is_some() => Ok(value),
            Ok(_) => Ok(0),
            trapped => Err(trap_of(trapped)),
        };
        assert_eq!(is, model.run(builtin, &arguments), "{builtin:?} {arguments:?}");
        if round % 50 == 0 {
            model.check(&mut instance);
        }
    }
    model.check(&mut instance);
}

#[test]
fn bulk_operations_agree_with_a_model_in_strict_mode() {
    (0..6).for_each(|seed| against_the_model(Arc::new(OnDemand::strict()), seed));
}

#[test]
fn bulk_operations_agree_with_a_model_on_a_foreign_allocator() {
    (10..13).for_each(|seed| against_the_model(Arc::new(Recycler::new(4)), seed));
}

#[test]
fn large_copies_that_overlap_go_the_right_way() {
    let recipe = Recipe { memories: vec![(100, 100), (1, 1)], ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![]);
    let bytes = 100 * WASM_PAGE as usize;
    let pattern: Vec<u8> = (0..bytes).map(|i| (i * 7 + i / 5000) as u8).collect();
    for (to, from) in [(1000, 0), (0, 1000), (1 << 20, 0), (0, 1 << 20), (5, 5)] {
        let mut instance = guest.instance(());
        let mut expected = pattern.clone();
        instance.access().memory(MemoryId(0)).expect("memory").write(0, &pattern).expect("inside");
        let length = bytes - 2_000_000;
        let arguments = [0, 0, to as i64, from as i64, length as i64];
        guest.call(&mut instance, Function::Builtin(Builtin::MemoryCopy), &arguments).expect("a copy");
        expected.copy_within(from..from + length, to);
        assert!(instance.access().memory_bytes(MemoryId(0)) == Some(&expected[..]), "{from} to {to}");
    }
}

#[test]
fn limits_stop_growth() {
    let limits = Limits { memory_bytes: 5 * WASM_PAGE, table_elements: 30, ..Limits::default() };
    let guest = Guest::with(&Recipe::default(), vec![], Arc::new(OnDemand::strict()), limits);
    let mut instance = guest.instance(());
    let mut call = |builtin, arguments: &[i64]| {
        guest.call(&mut instance, Function::Builtin(builtin), arguments).expect("a result")
    };
    // Three pages are there: two in memory 0, one in memory 1.
    assert_eq!(call(Builtin::MemoryGrow, &[0, 3]), -1);
    assert_eq!(call(Builtin::MemoryGrow, &[0, 2]), 2);
    assert_eq!(call(Builtin::MemoryGrow, &[0, 1]), -1);
    assert_eq!(call(Builtin::MemoryGrow, &[0, 0]), 4);
    assert_eq!(call(Builtin::TableGrow, &[0, 0, 21]), -1);
    assert_eq!(call(Builtin::TableGrow, &[0, 0, 20]), 10);
}

#[test]
fn bulk_operations_use_fuel_by_their_length() {
    let recipe = Recipe { interruption: Interruption::Fuel, ..Recipe::default() };
    let guest = Guest::new(&recipe, vec![]);
    let mut instance = guest.instance(());
    instance.access().set_fuel(1000);
    let fill = |instance: &mut Instance<()>, length| {
        guest.call(instance, Function::Builtin(Builtin::MemoryFill), &[0, 0, 1, length])
    };
    fill(&mut instance, 640).expect("fuel is left");
    assert_eq!(instance.access().fuel(), 990);
    fill(&mut instance, 63).expect("fuel is left");
    assert_eq!(instance.access().fuel(), 990);
    assert_eq!(trap_of(fill(&mut instance, 65536)), TrapCode::OutOfFuel);
}

#[test]
fn raise_raises_its_code() {
    let guest = Guest::new(&Recipe::default(), vec![]);
    let mut instance = guest.instance(());
    for code in TrapCode::ALL {
        let raised = guest.call(&mut instance, Function::Builtin(Builtin::Raise), &[*code as i64, 7]);
        assert!(matches!(&raised, Err(crate::CallError::Trap(trap)) if trap.detail == Some(7)), "{raised:?}");
        assert_eq!(trap_of(raised), *code);
    }
    guest.call(&mut instance, Function::Nop, &[]).expect("it stays usable");
}
