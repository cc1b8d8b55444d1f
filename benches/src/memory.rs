//! `memory/…`: what instances and slots hold, and whether anything is left behind.
//!
//! Counted by the kernel, in a process for each side.

use crate::case::{Case, Row, Unit};
use crate::child;
use crate::cycle::guests::{self, Guest, PAGE};
use crate::cycle::knobs;
use crate::cycle::sides::{Cycles, Spec, our_image, peer_image};
use crate::measure::Effort;
use crate::peer::{self, Plain};
use crate::trusted;
use hatchery::{Allocation, Engine, Linker, Module, Pooling};

/// Instances at a time.
const INSTANCES: usize = 1000;
/// Images that take turns, slots that they take turns in, and how often they do.
const IMAGES: usize = 200;
const SLOTS: usize = 100;
const SWITCHES: usize = 100_000;

/// The guests of which many are made, with the pages that a call writes.
const GUESTS: [(&str, usize); 2] = [("word", 1), ("data-16", 16)];

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    let instances = GUESTS.into_iter().flat_map(|(guest, pages)| {
        ["idle", "live", "warm"].into_iter().enumerate().map(move |(index, state)| {
            Case::new(format!("memory/{state}-{guest}"), move |effort| instances(guest, pages, index, effort))
        })
    });
    instances.chain([Case::new("memory/switches", switches)]).collect()
}

/// Bytes per instance that was made, that was called, and per slot whose instance is gone.
fn instances(guest: &str, pages: usize, index: usize, effort: &Effort) -> anyhow::Result<Row> {
    let count = INSTANCES / effort.divisor;
    let ours = child::run(&["memory", "ours", guest], count)?;
    let peer = child::run(&["memory", "peer", guest], count)?;
    let mut row = Row::counted(Unit::Bytes, ours[index], peer[index], knobs::LEAN.to_string());
    row.our_config = format!("working set; {count} instances; resident pages of each");
    // What a call writes is resident in an instance that was called, and is to be in a warm slot.
    row.floor = (index > 0).then_some((pages * PAGE) as f64);
    row.more = vec![("ours_page_table_bytes", ours[index + 3]), ("peer_page_table_bytes", peer[index + 3])];
    Ok(row)
}

/// What a child does for [`instances`].
pub(crate) fn instances_of(side: &str, guest: &str, count: usize) -> anyhow::Result<Vec<f64>> {
    let guest = if guest == "word" { guests::word() } else { guests::data(16, PAGE) };
    let spec = Spec { slots: count, ..Spec::new(guest) };
    if side == "ours" {
        return states(&our_image(&spec)?, &spec.guest, count);
    }
    states(&peer_image(&spec, &knobs::LEAN)?, &spec.guest, count)
}

/// Resident pages of an instance that is idle, live, gone; then the page tables that map them.
fn states<C: Cycles>(image: &C, guest: &Guest, count: usize) -> anyhow::Result<Vec<f64>> {
    for _ in 0..3 {
        image.cycle(guest.args);
    }
    let mut instances = Vec::with_capacity(count);
    let before = resident()?;
    instances.extend((0..count).map(|_| image.instance()));
    let idle = resident()?;
    instances.iter_mut().for_each(|instance| C::call(instance, guest.args));
    let live = resident()?;
    instances.clear();
    let states = [idle, live, resident()?];
    let each = |bytes: f64, before: f64| (bytes - before) / count as f64;
    let pages = states.iter().map(|state| each(state.pages, before.pages));
    Ok(pages.chain(states.iter().map(|state| each(state.tables, before.tables))).collect())
}

/// What is left behind by many switches of image.
fn switches(effort: &Effort) -> anyhow::Result<Row> {
    let count = SWITCHES / effort.divisor;
    let ours = child::run(&["switches", "ours"], count)?;
    let peer = child::run(&["switches", "peer"], count)?;
    let mut row = Row::counted(Unit::Bytes, ours[0], peer[0], knobs::LEAN.to_string());
    row.our_config =
        format!("working set; growth from {} to {count} switches of {IMAGES} images in {SLOTS} slots", count / 10);
    row.ratio = None;
    row.more = vec![
        ("ours_mappings", ours[1]),
        ("ours_descriptors", ours[2]),
        ("peer_mappings", peer[1]),
        ("peer_descriptors", peer[2]),
    ];
    Ok(row)
}

/// What a child does for [`switches`]: by how much memory, mappings and descriptors become more after the first tenth.
pub(crate) fn switches_of(side: &str, count: usize) -> anyhow::Result<Vec<f64>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("image");
    let guest = guests::data(4, PAGE);
    if side == "ours" {
        let engine = Engine::new(&peer::our_config().allocation(Allocation::Pooling(Pooling::new(SLOTS))))?;
        Module::new(&engine, &guest.wat)?.save(&path)?;
        let linker = Linker::<()>::new(&engine);
        let image = |_| Ok(linker.prepare(&trusted::open(&engine, &path)?)?);
        return growth((0..IMAGES).map(image).collect::<anyhow::Result<Vec<_>>>()?, &guest, count);
    }
    let engine = wasmtime::Engine::new(&knobs::LEAN.config(SLOTS)).plain()?;
    let module = wasmtime::Module::new(&engine, wat::parse_str(&guest.wat)?).plain()?;
    std::fs::write(&path, module.serialize().plain()?)?;
    let linker = wasmtime::Linker::<()>::new(&engine);
    let image = |_| linker.instantiate_pre(&trusted::deserialize(&engine, &path)?).plain();
    growth((0..IMAGES).map(image).collect::<anyhow::Result<Vec<_>>>()?, &guest, count)
}

fn growth<C: Cycles>(images: Vec<C>, guest: &Guest, count: usize) -> anyhow::Result<Vec<f64>> {
    let memory = || resident().map(|held| held.pages + held.tables);
    let held = || Ok::<_, anyhow::Error>([memory()?, lines("/proc/self/maps")?, entries("/proc/self/fd")?]);
    let turns = images.iter().cycle();
    let mut early = [0.0; 3];
    for (switch, image) in turns.take(count).enumerate() {
        if switch == count / 10 {
            early = held()?;
        }
        image.cycle(guest.args);
    }
    Ok(held()?.iter().zip(early).map(|(late, early)| late - early).collect())
}

/// Bytes of this process.
struct Resident {
    pages: f64,
    tables: f64,
}

fn resident() -> anyhow::Result<Resident> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let field = |name: &str| -> anyhow::Result<f64> {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
        let kib: f64 = value.ok_or_else(|| anyhow::anyhow!("the kernel does not say {name}"))?.parse()?;
        Ok(kib * 1024.0)
    };
    Ok(Resident { pages: field("VmRSS:")?, tables: field("VmPTE:")? })
}

fn lines(file: &str) -> anyhow::Result<f64> {
    Ok(std::fs::read_to_string(file)?.lines().count() as f64)
}

fn entries(folder: &str) -> anyhow::Result<f64> {
    Ok(std::fs::read_dir(folder)?.count() as f64)
}
