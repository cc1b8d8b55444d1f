//! Who waits for a slot, when what is released is of no use to those who have waited longer; and when it was in
//! somebody's hands while they tried.

#![expect(unsafe_code, reason = "gives slots back")]

mod common;

use common::options;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use hatchery_alloc::{
    AllocateError, InstanceAllocator, PAGE, Region, RegionKind, Slot, SlotLayout, Template, allocate_async,
    allocate_blocking,
};
use hatchery_pool::{Class, Pool, PoolOptions, Reset, inject};
use std::cell::RefCell;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

/// Slots of this many pages, of which so many are accessible.
fn template(pages: usize, accessible: usize) -> Arc<Template> {
    let region = Region { offset: 0, kind: RegionKind::Image, accessible: accessible * PAGE, limit: pages * PAGE };
    Arc::new(Template::new(SlotLayout::new(pages * PAGE, [region]).expect("layout"), None, &[]).expect("template"))
}

/// A pool of classes (slots, pages), in which this many pages may be resident.
fn pool(classes: &[(usize, usize)], resident: usize) -> Pool {
    let classes = classes.iter().map(|(slots, pages)| Class { slots: *slots, slot_bytes: pages * PAGE }).collect();
    let max_resident_bytes = resident * PAGE;
    Pool::new(PoolOptions { classes, max_resident_bytes, ..options(Reset::WorkingSet, 0) }).expect("pool")
}

fn release(pool: &Pool, slot: Slot) {
    // SAFETY: these tests' slots are all of the pool that is named beside them, and nobody uses them.
    unsafe { pool.release(slot) }
}

/// One who waits without a thread.
struct Waiting<'a> {
    future: Pin<Box<dyn Future<Output = Result<Slot, AllocateError>> + 'a>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl<'a> Waiting<'a> {
    fn new(pool: &'a Pool, template: &'a Arc<Template>) -> Waiting<'a> {
        Waiting { future: Box::pin(allocate_async(pool, template)), woken: Arc::default() }
    }

    /// As an executor does it: no sooner than it was woken.
    fn poll(&mut self) -> Option<Slot> {
        self.woken.0.store(false, Ordering::Relaxed);
        let waker = Waker::from(self.woken.clone());
        match self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(slot) => Some(slot.expect("a slot")),
            Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// It waits, and nobody has told it anything.
    #[track_caller]
    fn begin(&mut self) {
        assert!(self.poll().is_none() && !self.is_woken(), "there is nothing for it");
    }

    /// It was told, and there is a slot.
    #[track_caller]
    fn end(&mut self) -> Slot {
        assert!(self.is_woken(), "it sleeps beside a slot");
        self.poll().expect("what it was woken for")
    }

    /// It was told, and cannot be served.
    #[track_caller]
    fn go_on(&mut self) {
        assert!(self.is_woken() && self.poll().is_none());
    }
}

#[test]
fn a_slot_that_is_too_small_for_the_first_is_for_the_second() {
    let pool = pool(&[(1, 4), (1, 40)], 1000);
    let (small, large) = (template(4, 1), template(40, 1));
    let [one, other] = [&small, &large].map(|template| pool.allocate(template).expect("a slot"));
    let mut waiting = [&large, &large, &small, &small].map(|template| Waiting::new(&pool, template));
    waiting.iter_mut().for_each(Waiting::begin);
    release(&pool, one);
    waiting[0].go_on();
    assert!(!waiting[1].is_woken(), "it wants the same");
    let one = waiting[2].end();
    assert!(!waiting[3].is_woken(), "one slot is for one");
    release(&pool, other);
    let other = waiting[0].end();
    release(&pool, one);
    waiting[1].go_on();
    release(&pool, waiting[3].end());
    release(&pool, other);
    release(&pool, waiting[1].end());
}

#[test]
fn memory_that_is_too_little_for_the_first_is_for_the_second() {
    let pool = pool(&[(8, 40)], 50);
    let (little, much) = (template(40, 10), template(40, 40));
    let mut held: Vec<_> = (0..5).map(|_| pool.allocate(&little).expect("a slot")).collect();
    let (mut first, mut second) = (Waiting::new(&pool, &much), Waiting::new(&pool, &little));
    first.begin();
    second.begin();
    release(&pool, held.pop().expect("five"));
    first.go_on();
    held.push(second.end());
    // The more is free, the more often it tries.
    for _ in 0..3 {
        release(&pool, held.pop().expect("a slot"));
        first.go_on();
    }
    release(&pool, held.pop().expect("a slot"));
    release(&pool, first.end());
    release(&pool, held.pop().expect("the last"));
    assert_eq!(pool.metrics().live, 0);
}

#[test]
fn memory_of_one_slot_is_for_as_many_as_it_is_enough_for() {
    let pool = pool(&[(8, 40)], 40);
    let (little, much) = (template(40, 10), template(40, 40));
    let held = pool.allocate(&much).expect("a slot");
    let mut waiting: Vec<_> = (0..5).map(|_| Waiting::new(&pool, &little)).collect();
    waiting.iter_mut().for_each(Waiting::begin);
    release(&pool, held);
    let mut served: Vec<_> = waiting[..4].iter_mut().map(Waiting::end).collect();
    waiting[4].go_on();
    release(&pool, served.pop().expect("four"));
    served.push(waiting[4].end());
    served.into_iter().for_each(|slot| release(&pool, slot));
}

#[test]
fn threads_that_wait_for_different_things_are_all_served() {
    let pool = &pool(&[(1, 4), (1, 40)], 1000);
    let (small, large) = (&template(4, 1), &template(40, 1));
    let [one, other] = [small, large].map(|template| pool.allocate(template).expect("a slot"));
    let moment = Duration::from_millis(20);
    std::thread::scope(|scope| {
        let wait = |template| {
            let waiter = scope.spawn(move || allocate_blocking(pool, template, Some(Duration::from_secs(20))));
            std::thread::sleep(moment);
            assert!(!waiter.is_finished());
            waiter
        };
        let (first, second) = (wait(large), wait(small));
        release(pool, one);
        release(pool, second.join().expect("waiter").expect("the small slot"));
        release(pool, other);
        release(pool, first.join().expect("waiter").expect("the large slot"));
    });
}

#[test]
fn who_gives_up_or_fails_hands_the_call_on_behind_itself() {
    let pool = pool(&[(1, 4)], 1000);
    let templates = [(); 3].map(|()| template(4, 1));
    let held = pool.allocate(&template(4, 2)).expect("a slot");
    let mut waiting = templates.each_ref().map(|template| Waiting::new(&pool, template));
    waiting.iter_mut().for_each(Waiting::begin);
    release(&pool, held);
    let [mut first, second, mut third] = waiting;
    // The kernel takes the slot away from its template, and refuses everything from there on.
    let waker = Waker::from(first.woken.clone());
    let refused = inject::failing(1, true, || first.future.as_mut().poll(&mut Context::from_waker(&waker)));
    assert!(matches!(refused, Poll::Ready(Err(AllocateError::System { .. }))));
    assert!(second.is_woken(), "the slot is still there");
    drop(second);
    release(&pool, third.end());
}

thread_local! {
    /// What is to be done when the pool says that it has a slot in its hands.
    static MEANWHILE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Does it, at the event of this name.
struct Meanwhile(&'static str);

impl tracing::Subscriber for Meanwhile {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if message.0 == self.0
            && let Some(meanwhile) = MEANWHILE.take()
        {
            meanwhile();
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Runs `body`, and lets somebody try in vain at an event of this name; who is returned.
fn tries_at(
    event: &'static str,
    pool: &'static Pool,
    wanted: &'static Arc<Template>,
    body: impl FnOnce(),
) -> Waiting<'static> {
    let waiting = std::rc::Rc::new(RefCell::new(None));
    let there = waiting.clone();
    MEANWHILE.set(Some(Box::new(move || {
        let mut waiting = Waiting::new(pool, wanted);
        waiting.begin();
        *there.borrow_mut() = Some(waiting);
    })));
    tracing::subscriber::with_default(Meanwhile(event), body);
    waiting.take().expect("the event was there")
}

#[test]
fn who_tried_while_a_slot_was_in_other_hands_is_told_when_it_is_back() {
    let pool: &'static Pool = Box::leak(Box::new(pool(&[(1, 40)], 1000)));
    let [one, other] = [(); 2].map(|()| &*Box::leak(Box::new(template(40, 10))));
    let warm = || release(pool, pool.allocate(one).expect("a slot"));
    // It is evicted for nobody.
    warm();
    release(pool, tries_at("slot detached", pool, other, || pool.evict_warm()).end());
    // It is to be mapped, which fails, and can be had again when the kernel lets it be replaced.
    let mut waiting = tries_at("slot withdrawn", pool, one, || {
        let failed = inject::failing(1, true, || pool.allocate(one));
        assert!(matches!(failed, Err(AllocateError::System { .. })), "{failed:?}");
    });
    release(pool, waiting.end());
    assert_eq!((pool.metrics().live, pool.metrics().withdrawn), (0, 0));
}
