//! Real instances go through the phases.

use hatchery_alloc::OnDemand;
use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::abi::PackedFuncRef;
use hatchery_image::{ExportItem, Image, InstanceId, Tunables};
use hatchery_init::{
    Gate, Hooks, ImportPolicy, InitExport, OnFailure, Phase, Refusal, Request, ScheduleError, Scheduler, SnapshotError,
    snapshot,
};
use hatchery_vm::{Instance, Limits, Prepared, StackConfig, StackPool};
use std::convert::Infallible;
use std::sync::Arc;

/// An image of these modules, in script mode or not.
fn image(texts: &[&str], mut set: LinkSet) -> Arc<Image> {
    for text in texts {
        let module = set.add_module(wat::parse_str(text).expect("text"));
        set.add_instance(module, None, &[]);
    }
    Arc::new(compile(&set, &Tunables::default(), &Budget::default()).expect("an image"))
}

fn prepared(image: &Arc<Image>) -> Prepared<()> {
    let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
    Prepared::new(image.clone(), Arc::new(OnDemand::strict()), stacks, vec![], Limits::default()).expect("prepared")
}

fn instance(image: &Arc<Image>) -> Instance<()> {
    prepared(image).instantiate(()).expect("a slot")
}

fn export(image: &Image, name: &str) -> PackedFuncRef {
    match image.export(InstanceId(0), name) {
        Some(ExportItem::Func(func)) => PackedFuncRef::new(func.ty, func.code_offset),
        other => panic!("`{name}` is {other:?}"),
    }
}

const TWO: [&str; 2] = [
    r#"(module (global $n (mut i32) (i32.const 0)) (func $start (global.set $n (i32.const 1))) (start $start)
        (func (export "init") (global.set $n (i32.const 2))) (func (export "fails") unreachable))"#,
    r#"(module (memory 1) (func $start (i32.store (i32.const 0) (i32.const 1))) (start $start))"#,
];

#[test]
fn a_fresh_instance_goes_from_allocated_to_ready() {
    let image = image(&TWO, LinkSet::new());
    let (mut instance, mut scheduler) = (instance(&image), Scheduler::new(OnFailure::Poison));
    let mut access = instance.access();
    assert_eq!(scheduler.phase(&access), Phase::Allocated);
    assert!(scheduler.ready().is_err(), "nothing has run");
    scheduler.start(&mut access, 1).expect("the first step");
    assert_eq!((scheduler.phase(&access), access.cursor()), (Phase::Starting, 1));
    assert!(scheduler.initialize(&mut access, export(&image, "init")).is_err(), "a step is left");
    scheduler.start(&mut access, 2).expect("the second step");
    assert_eq!(scheduler.phase(&access), Phase::Started);
    scheduler.initialize(&mut access, export(&image, "init")).expect("it returns");
    assert_eq!(scheduler.phase(&access), Phase::Initializing);
    scheduler.ready().expect("all is done");
    assert_eq!(scheduler.phase(&access), Phase::Ready);
    assert!(matches!(scheduler.start(&mut access, 2), Err(ScheduleError::Order(_))), "nothing starts twice");
}

#[test]
fn a_failed_step_poisons() {
    let image = image(&["(module (func $start unreachable) (start $start))"], LinkSet::new());
    let (mut instance, mut scheduler) = (instance(&image), Scheduler::new(OnFailure::Poison));
    let mut access = instance.access();
    assert!(matches!(scheduler.run(&mut access), Err(ScheduleError::Step(_))));
    assert_eq!(scheduler.phase(&access), Phase::Poisoned);
    assert!(matches!(scheduler.run(&mut access), Err(ScheduleError::Order(_))));
    assert!(scheduler.ready().is_err());
}

#[test]
fn a_failed_function_of_the_second_phase_poisons() {
    let image = image(&TWO, LinkSet::new());
    let (mut instance, mut scheduler) = (instance(&image), Scheduler::new(OnFailure::Poison));
    let mut access = instance.access();
    scheduler.start(&mut access, usize::MAX).expect("both steps");
    let outcome = scheduler.initialize(&mut access, export(&image, "fails"));
    assert!(matches!(outcome, Err(ScheduleError::Call(_))));
    assert_eq!(scheduler.phase(&access), Phase::Poisoned);
}

#[test]
fn a_script_goes_past_a_failure() {
    let fails = "(module (func $start unreachable) (start $start))";
    let image = image(&[fails, TWO[1]], LinkSet::script());
    let (mut instance, mut scheduler) = (instance(&image), Scheduler::new(OnFailure::GoOn));
    let mut access = instance.access();
    assert!(scheduler.start(&mut access, 1).is_err());
    assert_eq!(scheduler.phase(&access), Phase::Starting);
    scheduler.run(&mut access).expect("the second instance");
    assert_eq!(scheduler.phase(&access), Phase::Ready);
    scheduler.run(&mut access).expect("scripts may ask again");
}

#[test]
fn memory_that_nobody_touched_is_not_read_for_a_snapshot() {
    let text = r#"(module (memory 1 65536) (func $start
        (drop (memory.grow (i32.const 65535))) (i32.store8 (i32.const 0xfffffff0) (i32.const 7))) (start $start))"#;
    let mut instance = instance(&image(&[text], LinkSet::new()));
    Scheduler::new(OnFailure::Poison).run(&mut instance.access()).expect("it returns");
    let access = instance.access();
    let contents: Vec<_> = access.capture().expect("no call is active").flatten().collect();
    assert!(contents.iter().any(|(_, bytes)| bytes.contains(&7)));
    let bytes: usize = contents.iter().map(|(_, bytes)| bytes.len()).sum();
    // The kernel may give 2 MiB where one byte is written.
    assert!(bytes < 8 << 20, "{bytes} of 4 GiB");
}

fn request(image: &Image) -> Request {
    let hooks = Hooks::of_instance(image, InstanceId(0), &InitExport::Recognized).expect("nothing is asked for");
    Request { hooks, steps: None, budget: Default::default() }
}

fn gate(image: &Image) -> Gate {
    Gate::new::<()>(image, &ImportPolicy::Deny, |_, _| None).expect("no imports").0
}

#[test]
fn a_restored_instance_goes_the_same_way_with_nothing_to_do() {
    let image = image(&TWO, LinkSet::new());
    let fresh = || Ok::<_, Infallible>(instance(&image));
    let made = snapshot(&image, &gate(&image), &request(&image), fresh, |_| Ok(())).expect("a snapshot");
    assert_eq!((made.report.steps, made.report.total), (0..2, 2));
    let restored = Arc::new(made.image.expect("two steps were run"));
    let (mut instance, mut scheduler) = (instance(&restored), Scheduler::new(OnFailure::Poison));
    let mut access = instance.access();
    assert_eq!((scheduler.phase(&access), access.cursor()), (Phase::Allocated, 2));
    scheduler.run(&mut access).expect("nothing can fail");
    assert_eq!(scheduler.phase(&access), Phase::Ready);

    // And there is nothing more to make a snapshot of.
    let never = || -> Result<Instance<()>, Infallible> { panic!("no instance is needed") };
    let made = snapshot(&restored, &gate(&restored), &request(&restored), never, |_| Ok(())).expect("nothing to do");
    assert!(made.image.is_none() && made.report.stopped.is_none());
}

#[test]
fn a_refusal_keeps_nothing() {
    let image = image(&TWO, LinkSet::new());
    let fresh = || Ok::<_, Infallible>(instance(&image));
    let refused = snapshot(&image, &gate(&image), &request(&image), fresh, |_| Err("a socket is open".into()));
    let Err(SnapshotError::Refused(Refusal::Host(message))) = refused else { panic!("{refused:?}") };
    assert_eq!(message, "a socket is open");
}
