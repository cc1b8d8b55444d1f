//! What the host must define when a component is initialized at build time.

use super::build::engine;
use crate::component::{Component, Linker};
use crate::{Engine, Error, ErrorKind, InitImports, SnapshotOptions, SnapshotReport};

/// Asks its host when it is initialized, and imports a resource.
const ASKS: &str = r#"
(component
  (import "test:host/clock@1.0.0" (instance $clock
    (export "timer" (type (sub resource)))
    (export "now" (func (result u32)))))
  (alias export $clock "timer" (type $timer))
  (core func $now (canon lower (func $clock "now")))
  (core func $drop (canon resource.drop $timer))
  (core module $m
    (import "host" "now" (func $now (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (global $n (mut i32) (i32.const 0))
    (func $start (global.set $n (i32.const 1)))
    (start $start)
    (func (export "initialize") (global.set $n (call $now)))
    (func (export "n") (result i32) (global.get $n)))
  (core instance $i (instantiate $m (with "host" (instance
    (export "now" (func $now)) (export "drop" (func $drop))))))
  (func (export "wizer-initialize") (canon lift (core func $i "initialize")))
  (func (export "n") (result u32) (canon lift (core func $i "n"))))
"#;

struct Timer;

/// A linker whose `now` is 7.
fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let mut clock = linker.instance("test:host/clock@1.0.0").expect("a name");
    clock.resource::<Timer>("timer", |_, _| Ok(())).expect("defined once");
    clock.func("now", |_, (): ()| Ok((7_u32,))).expect("defined once");
    linker
}

fn initialize(at: &Linker<()>, imports: InitImports) -> Result<(Component, SnapshotReport), Error> {
    let component = Component::new(at.engine(), ASKS).expect("compiles");
    component.snapshot(at, SnapshotOptions::new().imports(imports), || ())
}

fn n(linker: &Linker<()>, component: &Component) -> u32 {
    let mut instance = linker.prepare(component).expect("fits").instantiate(()).expect("an instance");
    let n = instance.func::<(), (u32,)>("n").expect("there");
    n.call(&mut instance, ()).expect("returns").0
}

#[test]
fn a_denied_import_need_not_be_defined_and_an_allowed_one_must() {
    let engine = engine();
    let (empty, full) = (Linker::<()>::new(&engine), linker(&engine));
    for imports in [InitImports::Deny, InitImports::Allow(vec!["test:other/clock".into()]), InitImports::Record] {
        let (component, report) = initialize(&empty, imports).expect("made");
        let stopped = report.stopped().expect("it asks");
        assert_eq!(
            (stopped.export(), stopped.import()),
            (Some("wizer-initialize"), Some(("test:host/clock@1.0.0", "now")))
        );
        assert_eq!(n(&full, &component), 1);
    }
    for name in ["test:host/clock@1.0.0", "test:host/clock@1.0.0/now"] {
        let allow = || InitImports::Allow(vec![name.into()]);
        let error = initialize(&empty, allow()).expect_err("not defined");
        assert_eq!(error.kind(), ErrorKind::Link);
        assert!(error.to_string().contains("not defined: `test:host/clock@1.0.0` `now`"), "{error}");
        assert_eq!(n(&full, &initialize(&full, allow()).expect("made").0), 7);
    }
    assert_eq!(n(&full, &initialize(&full, InitImports::Record).expect("made").0), 7);
}

#[test]
fn a_denied_import_is_not_looked_at() {
    let engine = engine();
    let mut other = Linker::<()>::new(&engine);
    let mut clock = other.instance("test:host/clock@1.0.0").expect("a name");
    clock.func("now", |_, (): ()| Ok((7_u64,))).expect("defined once");
    assert!(initialize(&other, InitImports::Deny).is_ok());
    let allow = InitImports::Allow(vec!["test:host/clock@1.0.0".into()]);
    assert_eq!(initialize(&other, allow).expect_err("another type").kind(), ErrorKind::Link);
}
