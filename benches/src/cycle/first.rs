//! The first use of a slot, and of many images.

use super::guests::{self, Guest, MEMORY, PAGE};
use super::sides::{Cycles, Spec};
use crate::case::{Case, Row};
use crate::child;
use crate::measure::{self, Pair, Side};
use crate::peer::{self, Plain};
use crate::trusted;
use hatchery::{Allocation, Engine, Linker, Module, Pooling};
use memmap2::{Advice, MmapMut};
use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

/// Slots that are used for the first time, one after the other, before all are given back.
const SLOTS: usize = 64;
/// Images that are called once each.
const IMAGES: usize = 10_000;
/// Images that are called before it is looked at the clock.
const CHUNK: usize = 100;

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    vec![
        learned("first-64-learned", || guests::data(64, PAGE)),
        learned("first-64-spread-learned", || guests::data(64, MEMORY / 64)),
        unlearned("first-64-unlearned", || guests::data(64, PAGE)),
        unlearned("first-64-spread-unlearned", || guests::data(64, MEMORY / 64)),
        images(),
    ]
}

/// In a cold slot, for an image that was used in others.
fn learned(name: &str, guest: fn() -> Guest) -> Case {
    Case::new(format!("cycle/{name}"), move |effort| {
        let guest = guest();
        let mut pair = Pair { ours: ours(&guest)?, peer: peer(&guest)?, floor: Some(populate(&guest)?) };
        let outcome = measure::compare(&mut pair, effort);
        let mut row = Row::timed(&outcome, COLD.to_owned());
        row.our_config = "working set, learned; instantiation and call".to_owned();
        Ok(row)
    })
}

/// In a cold slot, for an image that was never used.
fn unlearned(name: &str, guest: fn() -> Guest) -> Case {
    Case::new(format!("cycle/{name}"), move |effort| {
        let guest = guest();
        let mut pair = Pair { ours: stranger(&guest)?, peer: peer(&guest)?, floor: Some(populate(&guest)?) };
        let outcome = measure::compare(&mut pair, effort);
        let mut row = Row::timed(&outcome, COLD.to_owned());
        row.our_config = "working set, not learned; instantiation and call".to_owned();
        Ok(row)
    })
}

const COLD: &str = "pooling, a pool that was not used; instantiation and call";

/// Uses slots for the first time, in rounds of as many as there are; what happens between rounds is not counted.
fn rounds<I>(mut round: impl FnMut(usize) -> (Duration, Vec<I>) + Send + 'static) -> Side {
    Box::new(move |count| {
        let (mut left, mut total) = (count as usize, Duration::ZERO);
        while left > 0 {
            let now = left.min(SLOTS);
            total += round(now).0;
            left -= now;
        }
        total
    })
}

/// So many first uses; the instances are kept, as a slot that is given back is no longer cold.
fn first_uses<C: Cycles>(image: &C, args: (i32, i32), count: usize) -> (Duration, Vec<C::Instance>) {
    let mut kept = Vec::with_capacity(count);
    let start = Instant::now();
    for _ in 0..count {
        kept.push(image.cycle(args));
    }
    (start.elapsed(), kept)
}

fn our_engine(slots: usize) -> anyhow::Result<Engine> {
    Ok(Engine::new(&peer::our_config().allocation(Allocation::Pooling(Pooling::new(slots))))?)
}

/// A module in a pool that was not used.
fn our_new_image(slots: usize, wat: &str) -> anyhow::Result<hatchery::Prepared<()>> {
    let engine = our_engine(slots)?;
    Ok(Linker::new(&engine).prepare(&Module::new(&engine, wat)?)?)
}

fn ours(guest: &Guest) -> anyhow::Result<Side> {
    let (wat, args) = (guest.wat.clone(), guest.args);
    Ok(rounds(move |count| {
        // One slot more, for the instance that holds the one in which the image was learned.
        let image = our_new_image(SLOTS + 1, &wat).expect("it was made before");
        drop(image.cycle(args));
        let _warm = image.cycle(args);
        first_uses(&image, args, count)
    }))
}

fn stranger(guest: &Guest) -> anyhow::Result<Side> {
    let (wat, args) = (guest.wat.clone(), guest.args);
    Ok(rounds(move |count| {
        let mut total = Duration::ZERO;
        for _ in 0..count {
            let image = our_new_image(1, &wat).expect("it was made before");
            total += first_uses(&image, args, 1).0;
        }
        (total, Vec::<()>::new())
    }))
}

fn peer(guest: &Guest) -> anyhow::Result<Side> {
    let (bytes, args) = (wat::parse_str(&guest.wat)?, guest.args);
    let new = move || -> anyhow::Result<wasmtime::InstancePre<()>> {
        let engine = wasmtime::Engine::new(&super::knobs::LEAN.config(SLOTS)).plain()?;
        let module = wasmtime::Module::new(&engine, &bytes).plain()?;
        wasmtime::Linker::new(&engine).instantiate_pre(&module).plain()
    };
    new()?;
    Ok(rounds(move |count| first_uses(&new().expect("it was made before"), args, count)))
}

/// Maps a memory and brings in the pages that a call writes.
fn populate(guest: &Guest) -> anyhow::Result<Side> {
    let file = File::from(rustix::fs::memfd_create("floor", rustix::fs::MemfdFlags::CLOEXEC)?);
    (&file).write_all(&vec![1; guest.data])?;
    let (data, writes) = (guest.data, guest.writes.clone());
    Ok(rounds(move |count| {
        let mut maps = Vec::with_capacity(count);
        let start = Instant::now();
        for _ in 0..count {
            let data_map = trusted::map(&file, data).expect("a mapping");
            let rest = MmapMut::map_anon(MEMORY - data).expect("a mapping");
            for range in &writes {
                let populate = |map: &MmapMut, start: usize, end: usize| {
                    if start < end {
                        map.advise_range(Advice::PopulateWrite, start, end - start).expect("pages");
                    }
                };
                populate(&data_map, range.start, range.end.min(data));
                populate(&rest, range.start.max(data) - data, range.end.max(data) - data);
            }
            maps.push((data_map, rest));
        }
        (start.elapsed(), maps)
    }))
}

/// Each of many images once. Each side has a process of its own, as both together need more mappings than a process may
/// have; the processes take turns.
fn images() -> Case {
    Case::new("cycle/images-10000", |effort| {
        let count = IMAGES / effort.divisor;
        let (mut ours, mut peer) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            ours.push(child::run(&["images", "ours"], count)?[0]);
            peer.push(child::run(&["images", "peer"], count)?[0]);
        }
        let ratios = ours.iter().zip(&peer).map(|(ours, peer)| ours / peer).collect();
        let of = |values| measure::median(values).unwrap_or(f64::NAN);
        let outcome =
            measure::Outcome { ratio: of(ratios), ours: of(ours), peer: of(peer), floor: None, over_floor: None };
        let mut row = Row::timed(&outcome, super::knobs::LEAN.to_string());
        row.our_config = format!("working set; {count} images in 256 slots, whole cycles");
        Ok(row)
    })
}

/// What a child does for [`images`]: nanoseconds a cycle, each in an image of its own.
pub(crate) fn images_of(side: &str, count: usize) -> anyhow::Result<f64> {
    child::raise_file_limit();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("image");
    let spec = Spec { slots: 256, ..Spec::new(guests::word()) };
    let args = spec.guest.args;
    if side == "ours" {
        let engine = our_engine(spec.pool())?;
        Module::new(&engine, &spec.guest.wat)?.save(&path)?;
        let linker = Linker::<()>::new(&engine);
        let image = || Ok(linker.prepare(&trusted::open(&engine, &path)?)?);
        return once_each(&(0..count).map(|_| image()).collect::<anyhow::Result<Vec<_>>>()?, args);
    }
    let engine = wasmtime::Engine::new(&super::knobs::LEAN.config(spec.pool())).plain()?;
    let module = wasmtime::Module::new(&engine, wat::parse_str(&spec.guest.wat)?).plain()?;
    std::fs::write(&path, module.serialize().plain()?)?;
    let linker = wasmtime::Linker::<()>::new(&engine);
    let image = || linker.instantiate_pre(&trusted::deserialize(&engine, &path)?).plain();
    once_each(&(0..count).map(|_| image()).collect::<anyhow::Result<Vec<_>>>()?, args)
}

fn once_each<C: Cycles>(images: &[C], args: (i32, i32)) -> anyhow::Result<f64> {
    let times = images.chunks(CHUNK).map(|images| {
        let start = Instant::now();
        images.iter().for_each(|image| drop(image.cycle(args)));
        start.elapsed().as_secs_f64() * 1e9 / images.len() as f64
    });
    measure::median(times.collect()).ok_or_else(|| anyhow::anyhow!("there are no images"))
}
