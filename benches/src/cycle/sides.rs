//! The two sides of a cycle.

use super::crew::crew;
use super::guests::Guest;
use super::knobs::Knobs;
use crate::measure::{Side, elapsed, short};
use crate::peer::{self, Plain};
use hatchery::{Allocation, Engine, Linker, Module, Pooling, Prepared, Reset, SnapshotOptions};
use wasmtime::{InstancePre, Store};

/// What is measured.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) guest: Guest,
    /// How many slots take turns on each thread.
    pub(crate) slots: usize,
    pub(crate) threads: usize,
    pub(crate) reset: Reset,
    /// Whether our image is one that has been initialized.
    pub(crate) snapshot: bool,
    /// What the earlier users of a slot were called with, before the cycles that count.
    pub(crate) earlier: Option<(i32, i32)>,
}

/// Cycles of earlier users, and cycles in which a slot may get over what they did.
const EARLIER: usize = 8;
const RECOVERY: usize = 100;

impl Spec {
    /// One slot, one thread, the default reset.
    pub(crate) fn new(guest: Guest) -> Spec {
        Spec { guest, slots: 1, threads: 1, reset: Reset::WorkingSet, snapshot: false, earlier: None }
    }

    /// Cycles after which both sides are as they will be: each slot has had its turns.
    pub(crate) fn warm_up(&self) -> u64 {
        (self.slots * 4 + 500) as u64
    }

    /// Slots that both sides have: enough for all in rotation, and a few to spare where there is but one.
    pub(crate) fn pool(&self) -> usize {
        (self.slots * self.threads).max(16)
    }
}

/// What a cycle needs of either side.
pub(crate) trait Cycles: Clone + Send + 'static {
    type Instance: Send;

    /// A fresh instance.
    fn instance(&self) -> Self::Instance;

    /// A look-up, a call.
    fn call(instance: &mut Self::Instance, args: (i32, i32));

    /// All of it. The instance is given back when the caller drops it.
    fn cycle(&self, args: (i32, i32)) -> Self::Instance {
        let mut instance = self.instance();
        Self::call(&mut instance, args);
        instance
    }
}

/// Ours.
pub(crate) fn ours(spec: &Spec) -> anyhow::Result<Side> {
    side(spec, &our_image(spec)?)
}

/// The peer, so configured.
pub(crate) fn peer(spec: &Spec, knobs: &Knobs) -> anyhow::Result<Side> {
    side(spec, &peer_image(spec, knobs)?)
}

/// The peer, ready for instances.
pub(crate) fn peer_image(spec: &Spec, knobs: &Knobs) -> anyhow::Result<InstancePre<()>> {
    let engine = wasmtime::Engine::new(&knobs.config(spec.pool())).plain()?;
    let module = wasmtime::Module::new(&engine, wat::parse_str(&spec.guest.wat)?).plain()?;
    wasmtime::Linker::new(&engine).instantiate_pre(&module).plain()
}

/// Ours, ready for instances.
pub(crate) fn our_image(spec: &Spec) -> anyhow::Result<Prepared<()>> {
    let pooling = Pooling::new(spec.pool()).reset(spec.reset);
    let engine = Engine::new(&peer::our_config().allocation(Allocation::Pooling(pooling)))?;
    let mut module = Module::new(&engine, &spec.guest.wat)?;
    let linker = Linker::new(&engine);
    if spec.snapshot {
        let (initialized, report) = module.snapshot(&linker, SnapshotOptions::new(), || ())?;
        anyhow::ensure!(report.steps_left() == 0, "the snapshot is not complete: {report}");
        module = initialized;
    }
    Ok(linker.prepare(&module)?)
}

impl Cycles for Prepared<()> {
    type Instance = hatchery::Instance<()>;

    fn instance(&self) -> hatchery::Instance<()> {
        self.instantiate(()).expect("an instance")
    }

    fn call(instance: &mut hatchery::Instance<()>, args: (i32, i32)) {
        let run = instance.func::<(i32, i32), ()>("run").expect("run");
        run.call(instance, args).expect("a call");
    }
}

impl Cycles for InstancePre<()> {
    type Instance = (Store<()>, wasmtime::Instance);

    fn instance(&self) -> (Store<()>, wasmtime::Instance) {
        let mut store = Store::new(self.module().engine(), ());
        let instance = self.instantiate(&mut store).expect("an instance");
        (store, instance)
    }

    fn call((store, instance): &mut (Store<()>, wasmtime::Instance), args: (i32, i32)) {
        let run = instance.get_typed_func::<(i32, i32), ()>(&mut *store, "run").expect("run");
        run.call(store, args).expect("a call");
    }
}

/// Cycles as they are specified, on as many threads.
fn side(spec: &Spec, image: &impl Cycles) -> anyhow::Result<Side> {
    let mut sides = (0..spec.threads).map(|_| on_one_thread(spec, image.clone()));
    match spec.threads {
        1 => Ok(sides.next().expect("one side")),
        _ => crew(sides.collect()),
    }
}

fn on_one_thread<C: Cycles>(spec: &Spec, image: C) -> Side {
    let args = spec.guest.args;
    if let Some(earlier) = spec.earlier {
        (0..EARLIER).for_each(|_| drop(image.cycle(earlier)));
        (0..RECOVERY).for_each(|_| drop(image.cycle(args)));
    }
    if spec.slots == 1 {
        return timed(spec, move |count| {
            for _ in 0..count {
                image.cycle(args);
            }
        });
    }
    let mut slots: Vec<Option<C::Instance>> = (0..spec.slots).map(|_| None).collect();
    let mut next = 0;
    timed(spec, move |count| {
        for _ in 0..count {
            // The slot that comes free here is the one that is taken.
            slots[next] = None;
            slots[next] = Some(image.cycle(args));
            next = (next + 1) % slots.len();
        }
    })
}

/// Several threads may wait for each other, so that all time counts that passes.
fn timed(spec: &Spec, run: impl FnMut(u64) + Send + 'static) -> Side {
    if spec.threads == 1 { short(run) } else { elapsed(run) }
}
