//! Whatever happens to a pool of slots, an instance in one of them behaves as one that is mapped for itself.
//!
//! Threads make instances of a few modules, call them, grow them, let them trap, hand them to each other and drop
//! them, while slots are evicted and system calls fail. Each instance has a twin outside of the pool that does the same;
//! the pool compares every slot with its image, byte for byte, after each reset.

mod guest;
mod library;
mod pair;

use crate::late::Late;
use arbitrary::{Result as Random, Unstructured};
use guest::{CALLS, MAX_PAGES, PAGE};
use hatchery::{
    Allocation, Bounds, Config, Engine, Error, Instance, Isolation, Learning, Limits, Linker, Module, Optimization,
    Prepared,
};
use hatchery_pool::{Class, Discovery, Placement, Pool, PoolOptions, Reset, Verify, WorkingSets, inject};
use library::{Source, Start};
use pair::{Act, Failure, Pair, failure, look, perform};
use std::sync::{Arc, Mutex, PoisonError};

/// Most instances that a thread keeps.
const HELD: usize = 3;

/// Address space of each memory, and of a slot.
const RESERVATION: u64 = 8 << 20;
const SLOT: usize = 64 << 20;

/// How much happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Happened {
    /// Instances that were made.
    pub instances: usize,
    /// Things that were done to one.
    pub acts: usize,
    /// Of which so many met a system call that failed.
    pub failed: usize,
    /// Allocations that found no slot.
    pub exhausted: usize,
}

/// A random pool, random modules, and what random threads do.
///
/// # Panics
///
/// When an instance of the pool differs from its twin, a slot is not clean, or slots are lost.
pub fn pool(data: &[u8]) -> Happened {
    let Ok(case) = Case::arbitrary(&mut Unstructured::new(data), Late::of(data)) else { return Happened::default() };
    case.run()
}

struct Case {
    options: PoolOptions,
    bounds: Bounds,
    modules: Vec<(Source, Start)>,
    threads: Vec<Vec<Step>>,
}

/// What a thread does.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// Makes an instance of this module in this place; whatever is there is dropped.
    Make { module: usize, place: usize },
    /// Does something to the instance there.
    Act { place: usize, act: Act },
    /// As `Act`, where the pool's system call after so many others fails, and later ones too if that lasts.
    Failing { place: usize, act: Act, ahead: u64, lasting: bool },
    /// As `Make`, in the same conditions. The old instance is dropped in them, too.
    MakeFailing { module: usize, place: usize, ahead: u64, lasting: bool },
    /// Drops the instance there.
    Drop { place: usize },
    /// Exchanges the instance there for one of another thread.
    Exchange { place: usize },
    /// Gives up all clean slots.
    Evict,
    /// Prepares a module anew: to the pool, it is another one, or one of another isolation.
    Prepare { module: usize, whose: Whose },
}

/// Whose slots instances may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Anybody,
    /// Those of a tenant.
    Tenant,
    /// Nobody's working set is learned from.
    Frozen,
}

/// The [`Late`] choice of bounds as they are by default.
const AUTO_BOUNDS: u32 = 0;

impl Case {
    fn arbitrary(u: &mut Unstructured<'_>, late: Late) -> Random<Case> {
        let options = options(u)?;
        let bounds = *u.choose(&[Bounds::Guard, Bounds::Explicit])?;
        let bounds = if late.says(AUTO_BOUNDS) { Bounds::Auto } else { bounds };
        let start = |u: &mut Unstructured<'_>| u.choose(&[Start::Beginning, Start::Snapshot]).copied();
        let count = u.int_in_range(1..=3)?;
        let modules = (0..count).map(|_| Ok((Source::arbitrary(u)?, start(u)?))).collect::<Random<_>>()?;
        let threads = u.int_in_range(1..=3)?;
        let share = u.len() / threads;
        let steps = |_| {
            let mut u = Unstructured::new(u.bytes(share)?);
            let mut steps = Vec::new();
            while !u.is_empty() && steps.len() < 120 {
                steps.push(step(&mut u, count)?);
            }
            Ok(steps)
        };
        Ok(Case { options, bounds, modules, threads: (0..threads).map(steps).collect::<Random<_>>()? })
    }

    fn run(&self) -> Happened {
        let Ok(pool) = Pool::new(self.options.clone()) else { return Happened::default() };
        let pool = Arc::new(pool);
        let world = World {
            pooled: self.side(Allocation::Custom(pool.clone()), true),
            fresh: self.side(Allocation::OnDemand, false),
            exchange: Mutex::new(Vec::new()),
            threads: self.threads.len(),
            pool,
        };
        let happened: Vec<_> = std::thread::scope(|scope| {
            let world = &world;
            let spawn = |steps| scope.spawn(move || Thread::new(world).run(steps));
            let threads: Vec<_> = self.threads.iter().map(Vec::as_slice).map(spawn).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect()
        });
        world.finish();
        happened.iter().fold(Happened::default(), |a, b| Happened {
            instances: a.instances + b.instances,
            acts: a.acts + b.acts,
            failed: a.failed + b.failed,
            exhausted: a.exhausted + b.exhausted,
        })
    }

    /// The modules on one kind of allocator.
    fn side(&self, allocation: Allocation, pooled: bool) -> Vec<Mutex<Side>> {
        // What the pool makes of it, as code is compiled without one, and the twin runs the same.
        let compiled = if self.bounds == Bounds::Auto { Bounds::Growing } else { self.bounds };
        let config = Config::new()
            .bounds(compiled)
            .optimization(Optimization::None)
            .memory_reservation(RESERVATION)
            .memory_guard(PAGE);
        let bounds = if pooled { self.bounds } else { compiled };
        let engine = Engine::new(&config.clone().bounds(bounds).allocation(allocation));
        let engine = engine.expect("a possible configuration");
        let linker = linker(&engine);
        let side = |(source, start): &(Source, Start)| {
            // The twin begins at the beginning.
            let start = if pooled { *start } else { Start::Beginning };
            let module = source.module(&engine, &config, compiled, start);
            let prepared = linker.prepare(&module).map_err(|error| failure(&error));
            Mutex::new(Side { linker: linker.clone(), module, prepared })
        };
        self.modules.iter().map(side).collect()
    }
}

fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let f = |x: i32| if x % 3 == 1 { Err(Error::host("it fails sometimes")) } else { Ok(x ^ 0x55) };
    linker.func("host", "f", f).expect("defined once");
    linker
}

/// A module for one of the allocators.
struct Side {
    linker: Linker<()>,
    module: Module,
    prepared: Result<Prepared<()>, Failure>,
}

impl Side {
    fn prepare(&mut self, whose: Whose) {
        let prepared = self.linker.prepare_with(&self.module, Limits::new());
        let prepared = prepared.and_then(|prepared| match whose {
            Whose::Anybody => Ok(prepared),
            Whose::Tenant => prepared.isolated(&Isolation::new().tag("a tenant")),
            Whose::Frozen => prepared.isolated(&Isolation::new().learning(Learning::Frozen)),
        });
        self.prepared = prepared.map_err(|error| failure(&error));
    }
}

/// An instance of it, unless it could not even be prepared.
fn instance(side: &Mutex<Side>) -> Result<Instance<()>, Failure> {
    // Not while the others wait.
    let prepared = unlocked(side).prepared.clone()?;
    prepared.instantiate(()).map_err(|error| failure(&error))
}

/// What the threads share.
struct World {
    pool: Arc<Pool>,
    pooled: Vec<Mutex<Side>>,
    fresh: Vec<Mutex<Side>>,
    exchange: Mutex<Vec<Pair>>,
    threads: usize,
}

impl World {
    /// Whether there may be no memory to grow into.
    fn is_scarce(&self) -> bool {
        self.pool.options().max_resident_bytes < usize::MAX
    }

    /// Whether an allocation must succeed. With other threads, nobody knows.
    fn has_a_slot(&self) -> bool {
        let m = self.pool.metrics();
        self.threads == 1 && !self.is_scarce() && m.live < m.slots
    }

    /// Whether the initialization of this module works.
    fn starts(&self, module: usize) -> bool {
        instance(&self.fresh[module]).is_ok() && unlocked(&self.pooled[module]).prepared.is_ok()
    }

    /// All slots come back, and can be used again.
    fn finish(self) {
        let World { pool, pooled, fresh, exchange, .. } = self;
        drop(exchange);
        assert_eq!(pool.metrics().live, 0, "a slot is lost");
        for (pooled, fresh) in pooled.iter().zip(&fresh) {
            let (pooled, fresh) = (instance(pooled), instance(fresh));
            if let (Ok(pooled), Ok(fresh)) = (pooled, fresh) {
                Pair { pooled, fresh }.act(Act::Look, false);
            }
        }
        drop(pooled);
        pool.evict_warm();
        let m = pool.metrics();
        assert_eq!((m.live, m.warm, m.cold + m.withdrawn), (0, 0, m.slots), "no slot is kept in the end");
        assert!(m.bytes_charged == 0 || m.withdrawn > 0, "and none costs anything: {m:?}");
    }
}

/// What is in it. A thread that panicked ends the case in any event.
fn unlocked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Thread<'a> {
    world: &'a World,
    held: [Option<Pair>; HELD],
    happened: Happened,
}

impl<'a> Thread<'a> {
    fn new(world: &'a World) -> Thread<'a> {
        Thread { world, held: [const { None }; HELD], happened: Happened::default() }
    }

    fn run(mut self, steps: &[Step]) -> Happened {
        steps.iter().for_each(|step| self.step(*step));
        self.happened
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Make { module, place } => {
                self.held[place] = None;
                let certain = self.world.has_a_slot();
                self.make(module, place, instance);
                assert!(
                    self.held[place].is_some() || !certain || !self.world.starts(module),
                    "no slot, but one is free"
                );
            }
            Step::MakeFailing { module, place, ahead, lasting } => {
                inject::failing(ahead, lasting, || self.held[place] = None);
                self.make(module, place, |side| {
                    let made = inject::failing(ahead, lasting, || instance(side));
                    // Whatever failed, it failed for want of memory.
                    made.map_err(|_| Failure::Exhausted)
                });
            }
            Step::Act { place, act } => {
                self.happened.acts += usize::from(self.held[place].is_some());
                let scarce = self.world.is_scarce();
                if self.held[place].as_mut().is_some_and(|pair| !pair.act(act, scarce)) {
                    self.held[place] = None;
                }
            }
            Step::Failing { place, act, ahead, lasting } => self.fail(place, act, ahead, lasting),
            Step::Drop { place } => self.held[place] = None,
            Step::Exchange { place } => {
                let mut exchange = unlocked(&self.world.exchange);
                let other = exchange.pop();
                exchange.extend(std::mem::replace(&mut self.held[place], other));
            }
            Step::Evict => self.world.pool.evict_warm(),
            Step::Prepare { module, whose } => {
                unlocked(&self.world.pooled[module]).prepare(whose);
                unlocked(&self.world.fresh[module]).prepare(whose);
            }
        }
    }

    /// A new instance is its image, or there is no slot.
    fn make(&mut self, module: usize, place: usize, make: impl FnOnce(&Mutex<Side>) -> Result<Instance<()>, Failure>) {
        let fresh = instance(&self.world.fresh[module]);
        let pooled = make(&self.world.pooled[module]);
        match (pooled, fresh) {
            (Ok(pooled), Ok(fresh)) => {
                let mut pair = Pair { pooled, fresh };
                pair.act(Act::Look, false);
                self.held[place] = Some(pair);
                self.happened.instances += 1;
            }
            (Err(Failure::Exhausted | Failure::HostError | Failure::Refused), _) => self.happened.exhausted += 1,
            (Err(pooled), Err(fresh)) => assert_eq!(pooled, fresh, "they start the same"),
            (Ok(_), Err(fresh)) => panic!("{fresh:?} is how a twin starts, but not the instance in the pool"),
            (Err(pooled), Ok(_)) => panic!("an instance in the pool starts with {pooled:?}, but not its twin"),
        }
    }

    /// Does what it does, or fails; then the instance goes, and whatever it left may not be seen again.
    fn fail(&mut self, place: usize, act: Act, ahead: u64, lasting: bool) {
        let Some(mut pair) = self.held[place].take() else { return };
        let (before, made) = (look(&mut pair.fresh), inject::made());
        let found = inject::failing(ahead, lasting, || perform(&mut pair.pooled, act));
        let expected = perform(&mut pair.fresh, act);
        if inject::made() - made <= ahead {
            // Nothing failed.
            let before = self.world.is_scarce().then_some(before);
            if pair.agree(act, &found, &expected, before) {
                self.held[place] = Some(pair);
            }
        } else {
            self.happened.failed += 1;
            pair.agree_but_for_failure(act, &found, &expected, &before);
            inject::failing(ahead, lasting, || drop(pair));
        }
    }
}

fn step(u: &mut Unstructured<'_>, modules: usize) -> Random<Step> {
    let place = u.int_in_range(0..=HELD - 1)?;
    let module = u.int_in_range(0..=modules - 1)?;
    let (ahead, lasting) = (u.int_in_range(0..=5)?, u.ratio(1, 3)?);
    Ok(match u.int_in_range(0..=31)? {
        0..=6 => Step::Make { module, place },
        7..=20 => {
            // What is about failures in other steps chooses among acts here.
            let act = act(u)?;
            Step::Act { place, act: if lasting { act.later() } else { act } }
        }
        21..=23 => {
            let act = act(u)?;
            Step::Failing { place, act: if module > 0 { act.later() } else { act }, ahead, lasting }
        }
        24..=25 => Step::MakeFailing { module, place, ahead, lasting },
        26..=27 => Step::Drop { place },
        28..=29 => Step::Exchange { place },
        30 => Step::Evict,
        _ if !lasting => Step::Prepare { module, whose: Whose::Anybody },
        _ => Step::Prepare { module, whose: if ahead % 2 == 0 { Whose::Frozen } else { Whose::Tenant } },
    })
}

fn act(u: &mut Unstructured<'_>) -> Random<Act> {
    Ok(match u.int_in_range(0..=9)? {
        0..=5 => Act::Call { export: u.choose_index(CALLS.len())?, args: [argument(u)?, argument(u)?, argument(u)?] },
        6 => Act::Write { at: argument(u)? as u64, length: u.int_in_range(0..=20_000)?, byte: u.arbitrary()? },
        7 => Act::Grow(u.int_in_range(0..=5)?),
        8 => {
            if u.arbitrary()? {
                Act::GrowTable(u.int_in_range(0..=700)?)
            } else {
                Act::SetGlobal(u.arbitrary()?)
            }
        }
        _ => Act::Look,
    })
}

/// An address in a memory or near its end, a length, or anything.
fn argument(u: &mut Unstructured<'_>) -> Random<i32> {
    Ok(match u.int_in_range(0..=3)? {
        0 => u.int_in_range(0..=5000)?,
        1 => u.int_in_range(0..=MAX_PAGES * PAGE)? as i32,
        2 => (u.int_in_range(0..=MAX_PAGES)? * PAGE) as i32 - u.int_in_range(0..=9)?,
        _ => u.arbitrary()?,
    })
}

fn options(u: &mut Unstructured<'_>) -> Random<PoolOptions> {
    let slots = u.int_in_range(1..=6)?;
    let mut options = PoolOptions::new(slots, SLOT);
    if u.ratio(1, 3)? {
        options.classes.push(Class { slot_bytes: SLOT / 2, slots: u.int_in_range(0..=3)? });
    }
    options.verify = Verify::EveryReset;
    options.reset = *u.choose(&[Reset::WorkingSet, Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit])?;
    options.placement = *u.choose(&[Placement::NextAvailable, Placement::Random { seed: 3 }])?;
    options.max_warm_per_template = u.int_in_range(0..=4)?;
    options.shards = *u.choose(&[1, 8])?;
    if u.ratio(1, 4)? {
        options.max_resident_bytes = u.int_in_range(1..=12)? << 20;
    }
    let usual = WorkingSets::default();
    options.working_sets = WorkingSets {
        discovery: *u.choose(&[Discovery::Scan, Discovery::Faults])?,
        max_pages: *u.choose(&[usual.max_pages, 0, 3, 40])?,
        max_runs: *u.choose(&[None, Some(0), Some(2), Some(9)])?,
        max_openings: *u.choose(&[usual.max_openings, 0, 1, 4])?,
        aging_interval: *u.choose(&[usual.aging_interval, 0, 1, 2])?,
        relearn_rate: *u.choose(&[usual.relearn_rate, 0, 1])?,
        max_tail_bytes: *u.choose(&[usual.max_tail_bytes, 0, 1 << 16])?,
    };
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::guest::LATER;
    use super::*;

    /// An instance of a module with two memories.
    fn with_two_memories() -> Instance<()> {
        let engine = Engine::new(&Config::new()).expect("an engine");
        let texts = (0..).map(library::text);
        let text =
            texts.into_iter().find(|text| text.contains("$second") && text.contains("(data")).expect("some have two");
        let module = Module::new(&engine, text).expect("valid");
        linker(&engine).prepare(&module).expect("imports").instantiate(()).expect("it starts")
    }

    #[test]
    fn acts_about_second_memories_and_references_are_seen() {
        let mut instance = with_two_memories();
        let export = |name| LATER.iter().position(|later| later.0 == name).expect("one of them");
        let call = |name, args| Act::CallLater { export: export(name), args };
        let acts = [
            call("grow second", [1, 0, 0]),
            call("store second", [9, 77, 0]),
            call("fill second", [5000, 100, 8]),
            call("into second", [60000, 0, 4000]),
            call("out of second", [8, 5000, 100]),
            Act::Refer { at: 1, value: 5 },
            call("copy references", [0, 1, 2]),
            call("keep reference", [0, 0, 0]),
            call("grow references", [3, 0, 0]),
        ];
        for act in acts {
            let before = look(&mut instance);
            perform(&mut instance, act).unwrap_or_else(|failure| panic!("{act:?}: {failure:?}"));
            assert_ne!(look(&mut instance), before, "{act:?}");
        }
    }
}
