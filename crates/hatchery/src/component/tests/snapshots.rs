//! Components that start from a snapshot behave as those that initialized themselves.

use super::build::engine;
use crate::component::{Component, Instance, Linker, ResourceAny};
use crate::{Allocation, Config, Engine, ErrorKind, Pooling, SnapshotOptions, Trap, Verify};

/// Makes counters of 10, 20 and 30 and drops the second, in what `INIT` is. Tells of its handles by their indices, and of
/// destructors that ran by two digits each.
const COUNTERS: &str = r#"
(component
  (core module $counter
    (global $dropped (mut i32) (i32.const 0))
    (func (export "drop") (param i32)
      (global.set $dropped (i32.add (i32.mul (global.get $dropped) (i32.const 100)) (local.get 0))))
    (func (export "get") (param i32) (result i32) (local.get 0))
    (func (export "dropped") (result i32) (global.get $dropped)))
  (core instance $counter (instantiate $counter))
  (type $counter-type (resource (rep i32) (dtor (core func $counter "drop"))))
  (core func $new (canon resource.new $counter-type))
  (core func $rep (canon resource.rep $counter-type))
  (core func $drop (canon resource.drop $counter-type))
  (core module $main
    (import "host" "new" (func $new (param i32) (result i32)))
    (import "host" "rep" (func $rep (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (func $init (export "init") (local $second i32)
      (drop (call $new (i32.const 10)))
      (local.set $second (call $new (i32.const 20)))
      (drop (call $new (i32.const 30)))
      (call $drop (local.get $second)))
    (func (export "reseed") (drop (call $new (i32.const 40))))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "rep") (param i32) (result i32) (call $rep (local.get 0)))
    (func (export "drop") (param i32) (call $drop (local.get 0)))
    (func (export "give") (param i32) (result i32) (local.get 0))
    (;START;))
  (core instance $main (instantiate $main (with "host" (instance
    (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
  (export $out "counter" (type $counter-type))
  (func (export "get") (param "counter" (borrow $out)) (result u32) (canon lift (core func $counter "get")))
  (func (export "dropped") (result u32) (canon lift (core func $counter "dropped")))
  (func (export "new") (param "rep" u32) (result u32) (canon lift (core func $main "new")))
  (func (export "rep") (param "index" u32) (result u32) (canon lift (core func $main "rep")))
  (func (export "drop") (param "index" u32) (canon lift (core func $main "drop")))
  (func (export "give") (param "index" u32) (result (own $out)) (canon lift (core func $main "give")))
  (;EXPORTS;))"#;

/// How the component is initialized.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Init {
    Start,
    Export,
}

/// The component, with or without a hook that makes a counter of 40.
fn counters(init: Init, hook: bool) -> String {
    let start = if init == Init::Start { "(start $init)" } else { "" };
    let export =
        |name: &str, core: &str| format!(r#"(func (export "{name}") (canon lift (core func $main "{core}")))"#);
    let mut exports = String::new();
    if init == Init::Export {
        exports += &export("wizer-initialize", "init");
    }
    if hook {
        exports += &export("hatchery-reseed", "reseed");
    }
    COUNTERS.replace("(;START;)", start).replace("(;EXPORTS;)", &exports)
}

fn run(instance: &mut Instance<()>, name: &str) {
    instance.func::<(), ()>(name).expect("there").call(instance, ()).expect("returns");
}

fn dropped(instance: &mut Instance<()>) -> u32 {
    instance.func::<(), (u32,)>("dropped").expect("there").call(instance, ()).expect("returns").0
}

/// Everything that an instance tells of its handles while they are used: indices of new ones, what old ones are of, and what
/// destructors ran for.
fn observe(instance: &mut Instance<()>) -> Vec<u32> {
    let one = |instance: &mut Instance<()>, name: &str, number: u32| {
        instance.func::<(u32,), (u32,)>(name).expect("there").call(instance, (number,)).expect("returns").0
    };
    let mut seen = vec![dropped(instance), one(instance, "rep", 1), one(instance, "rep", 3)];
    for rep in [50, 60] {
        let index = one(instance, "new", rep);
        seen.extend([index, one(instance, "rep", index)]);
    }
    let given =
        instance.func::<(u32,), (ResourceAny,)>("give").expect("there").call(instance, (3,)).expect("returns").0;
    let get = instance.func::<(ResourceAny,), (u32,)>("get").expect("there");
    seen.push(get.call(instance, (given,)).expect("returns").0);
    given.resource_drop(&mut *instance).expect("dropped");
    seen.extend([dropped(instance), one(instance, "new", 70)]);
    instance.func::<(u32,), ()>("drop").expect("there").call(instance, (1,)).expect("returns");
    seen.push(dropped(instance));
    let rep = instance.func::<(u32,), (u32,)>("rep").expect("there");
    assert_eq!(rep.call(instance, (1,)).expect_err("is gone").trap(), Some(Trap::UnknownHandle));
    seen
}

/// What a component tells that was initialized by its host.
fn observe_plain(engine: &Engine, component: &Component, init: Init, hook: bool) -> Vec<u32> {
    let prepared = Linker::<()>::new(engine).prepare(component).expect("prepared");
    let mut instance = prepared.instantiate(()).expect("an instance");
    if init == Init::Export {
        run(&mut instance, "wizer-initialize");
    }
    if hook {
        run(&mut instance, "hatchery-reseed");
    }
    observe(&mut instance)
}

/// A snapshot, saved and opened.
fn initialized(engine: &Engine, component: &Component, init: Init) -> Component {
    let linker = Linker::<()>::new(engine);
    let (snapshot, report) = component.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.steps_left(), report.stopped().is_none()), (0, true), "{report}");
    let exports: Vec<_> = report.exports().collect();
    assert_eq!(exports, if init == Init::Export { vec!["wizer-initialize"] } else { vec![] });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("component.hatch");
    snapshot.save(&path).expect("written");
    // SAFETY: written by ourselves a moment ago, in a folder of our own.
    #[expect(unsafe_code, reason = "opens what was just saved")]
    unsafe { Component::open(engine, &path) }.expect("opens")
}

#[test]
fn a_snapshot_keeps_the_handles_of_its_own_resources() {
    let pool = Pooling::new(2).verify(Verify::EveryReset);
    for allocation in [Allocation::Pooling(pool), Allocation::Strict] {
        let engine = Engine::new(&Config::new().allocation(allocation)).expect("an engine");
        for (init, hook) in [(Init::Start, false), (Init::Export, false), (Init::Start, true), (Init::Export, true)] {
            let component = Component::new(&engine, counters(init, hook)).expect("compiles");
            let plain = observe_plain(&engine, &component, init, hook);
            // The place of the dropped counter is the first that is used again: by the hook, where there is one.
            let next = if hook { [4, 5] } else { [2, 4] };
            assert_eq!(plain, [20, 10, 30, next[0], 50, next[1], 60, 30, 2030, 3, 203_010], "{init:?}, {hook}");
            let initialized = initialized(&engine, &component, init);
            let prepared = Linker::<()>::new(&engine).prepare(&initialized).expect("prepared");
            for _ in 0..2 {
                let mut two = [(); 2].map(|()| prepared.instantiate(()).expect("an instance"));
                two.iter_mut().for_each(|instance| assert_eq!(observe(instance), plain, "{init:?}, {hook}"));
            }
        }
        assert!(engine.pool_metrics().is_none_or(|pool| (pool.live, pool.withdrawals) == (0, 0)));
    }
}

#[test]
fn a_snapshot_in_a_file_is_a_component_with_all_its_exports_and_imports() {
    let linker = super::translated::linker();
    let component = super::translated::component(linker.engine());
    let (snapshot, report) = component
        .snapshot(&linker, SnapshotOptions::new(), crate::component::ResourceTable::new)
        .expect("nothing is called");
    assert_eq!(report.steps_left(), 0);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("component.hatch");
    snapshot.save(&path).expect("written");
    // SAFETY: as above.
    #[expect(unsafe_code, reason = "opens what was just saved")]
    let opened = unsafe { Component::open(linker.engine(), &path) }.expect("opens");
    assert_eq!(opened.imports().count(), component.imports().count());
    let prepared = linker.prepare(&opened).expect("prepared");
    let mut instance = prepared.instantiate(crate::component::ResourceTable::new()).expect("an instance");
    let size = instance.func::<(&str,), (u32,)>("size-of").expect("there");
    assert_eq!(size.call(&mut instance, ("four",)).expect("returns"), (4,));
}

/// What the host of a snapshot need not be asked: whether it holds handles of the component's resources. It gets them as
/// results of exports only.
#[test]
fn no_import_takes_a_resource_that_the_component_defines() {
    let text = r#"(component
        (type $counter (resource (rep i32)))
        (export $out "counter" (type $counter))
        (import "register" (func (param "counter" (own $out)))))"#;
    let error = Component::new(&engine(), text).expect_err("the import is older than the resource");
    assert_eq!(error.kind(), ErrorKind::Compile);
}
