//! `component/cycle/…`: a fresh instance of a component, a look-up, a call, and everything given back.

mod floor;
mod guests;
mod ours;
mod peer;

use crate::case::{Case, Row};
use crate::cycle::crew::crew;
use crate::cycle::knobs;
use crate::measure::{self, Effort, Pair, Side, elapsed, short};
use guests::{Task, Work};
use std::sync::Arc;

/// One cycle, on whichever thread.
type Cycle = Arc<dyn Fn() + Send + Sync>;

/// Instances that both sides have room for.
const SLOTS: usize = 16;

/// How our side is to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// From the image as it was compiled.
    Plain,
    /// From a snapshot that was made before.
    Snapshot,
}

/// What makes the work of a case.
type Make = fn() -> anyhow::Result<Work>;

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let works: [(&str, Make); 8] = [
        ("nop", || guests::modules(1, Task::Nop)),
        ("nop-wasi", || guests::modules(1, Task::NopWasi)),
        ("adapted-4-wasi", guests::adapted),
        ("modules-1", || guests::modules(1, Task::Nop)),
        ("modules-4", || guests::modules(4, Task::Nop)),
        ("modules-14", || guests::modules(14, Task::Nop)),
        ("modules-100", || guests::modules(100, Task::Nop)),
        ("rust-cli-hello", || guests::file("rust-cli-hello.wasm", 4, 1000, Task::Run)),
    ];
    let mut cases = Vec::new();
    for (name, make) in works {
        cases.push(case(name, make, Start::Plain, 1));
        cases.push(case(&format!("{name}-2-threads"), make, Start::Plain, 2));
    }
    let greeters: [(&str, Make); 2] = [
        ("js-pure", || guests::file("js-pure-sm.wasm", 16, 40_000, Task::Greet)),
        ("py-pure", || guests::file("py-pure.wasm", 16, 40_000, Task::Greet)),
    ];
    for (name, make) in greeters {
        cases.push(greeter(name, make, Start::Plain));
        cases.push(greeter(&format!("{name}-snapshot"), make, Start::Snapshot));
        cases.push(case(&format!("{name}-2-threads"), make, Start::Plain, 2));
    }
    cases
}

fn case(name: &str, make: Make, start: Start, threads: usize) -> Case {
    Case::new(format!("component/cycle/{name}"), move |effort| run(&make()?, start, threads, None, effort))
}

/// A case with a floor, and with the time of the same call in an instance that is kept.
fn greeter(name: &str, make: Make, start: Start) -> Case {
    Case::new(format!("component/cycle/{name}"), move |effort| {
        let work = make()?;
        let (floor, pages) = floor::copy(&work, start)?;
        let mut row = run(&work, start, 1, Some(floor), effort)?;
        let mut warm = ours::warm(&work, start)?;
        let mut peer = peer::warm(&work)?;
        let mut pair = Pair { ours: side(&mut warm, 1)?, peer: side(&mut peer, 1)?, floor: None };
        let outcome = measure::compare(&mut pair, effort);
        row.more.push(("ours_warm_ns", outcome.ours));
        row.more.push(("peer_warm_ns", outcome.peer));
        row.more.push(("pages_written", pages as f64));
        Ok(row)
    })
}

/// Both sides: medians of many at a time, then one by one for the percentiles.
fn run(work: &Work, start: Start, threads: usize, floor: Option<Side>, effort: &Effort) -> anyhow::Result<Row> {
    let compiled = peer::Compiled::new(work)?;
    let peer_side = |knobs: &knobs::Knobs| side(&mut peer::cycle(&compiled, knobs, threads)?, threads);
    let (knobs, remark) = knobs::best_of(WARM_UP, peer_side)?;
    let ours = side(&mut ours::cycle(work, start, threads)?, threads)?;
    let mut pair = Pair { ours, peer: peer_side(&knobs)?, floor };
    (pair.ours)(WARM_UP);
    (pair.peer)(WARM_UP);
    let outcome = measure::compare(&mut pair, effort);
    let times = measure::latencies(&mut [&mut pair.ours, &mut pair.peer], effort);
    let mut row = Row::timed(&outcome, format!("{knobs}{remark}"));
    row.our_config = match start {
        Start::Plain => "working set".to_owned(),
        Start::Snapshot => "working set, from a snapshot".to_owned(),
    };
    row.more = vec![
        ("ours_p50_ns", times[0].p50),
        ("ours_p99_ns", times[0].p99),
        ("peer_p50_ns", times[1].p50),
        ("peer_p99_ns", times[1].p99),
    ];
    Ok(row)
}

/// Cycles after which both sides are as they will be.
const WARM_UP: u64 = 500;

/// A cycle on as many threads.
fn side(cycle: &mut Cycle, threads: usize) -> anyhow::Result<Side> {
    let on_one = || {
        let cycle = cycle.clone();
        move |count| (0..count).for_each(|_| cycle())
    };
    match threads {
        1 => Ok(short(on_one())),
        _ => crew((0..threads).map(|_| elapsed(on_one())).collect()),
    }
}
