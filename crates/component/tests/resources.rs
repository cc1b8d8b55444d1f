//! Handles where the component model's own scripts do not look: resources of the host, borrows that are kept, tables
//! that grow, what the host itself does with a table.

mod common;

use common::{Running, message, no_host};
use hatchery_component::meta::{CoreRef, Export, Handles, Resource};
use hatchery_image::abi::RawVal;
use hatchery_vm::{HostContext, HostFunction};

/// A component that defines a resource whose destructor counts, and one that uses it.
const TREE: &str = r#"(component
  (component $C
    (core module $Dtor
      (global $dropped (mut i32) (i32.const 0)) (global $last (mut i32) (i32.const 0))
      (func (export "dtor") (param i32)
        (global.set $dropped (i32.add (global.get $dropped) (i32.const 1))) (global.set $last (local.get 0)))
      (func (export "dropped") (result i32) (global.get $dropped))
      (func (export "last") (result i32) (global.get $last)))
    (core instance $dtor (instantiate $Dtor))
    (type $R' (resource (rep i32) (dtor (core func $dtor "dtor"))))
    (export $R "R" (type $R'))
    (canon resource.new $R' (core func $new))
    (core module $M
      (import "" "new" (func $new (param i32) (result i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "rep") (param i32) (result i32) (local.get 0)))
    (core instance $m (instantiate $M (with "" (instance (export "new" (func $new))))))
    (func (export "make") (param "rep" u32) (result (own $R)) (canon lift (core func $m "make")))
    (func (export "rep") (param "r" (borrow $R)) (result u32) (canon lift (core func $m "rep")))
    (func (export "dropped") (result u32) (canon lift (core func $dtor "dropped")))
    (func (export "last") (result u32) (canon lift (core func $dtor "last"))))
  (component $Keeper
    (import "R" (type $R (sub resource)))
    (canon resource.drop $R (core func $drop))
    (core module $M
      (import "" "drop" (func $drop (param i32)))
      (func (export "look") (param i32) (result i32) (call $drop (local.get 0)) (local.get 0))
      (func (export "keep") (param i32)))
    (core instance $m (instantiate $M (with "" (instance (export "drop" (func $drop))))))
    (func (export "look") (param "r" (borrow $R)) (result u32) (canon lift (core func $m "look")))
    (func (export "keep") (param "r" (borrow $R)) (canon lift (core func $m "keep"))))
  (instance $c (instantiate $C))
  (alias export $c "R" (type $R))
  (instance $k (instantiate $Keeper (with "R" (type $R))))
  (canon resource.drop $R (core func $drop))
  (canon lower (func $c "make") (core func $make))
  (canon lower (func $c "rep") (core func $rep))
  (canon lower (func $c "dropped") (core func $dropped))
  (canon lower (func $c "last") (core func $last))
  (canon lower (func $k "look") (core func $look))
  (canon lower (func $k "keep") (core func $keep))
  (core module $M
    (import "" "make" (func $make (param i32) (result i32)))
    (import "" "rep" (func $rep (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (import "" "dropped" (func $dropped (result i32)))
    (import "" "last" (func $last (result i32)))
    (import "" "look" (func $look (param i32) (result i32)))
    (import "" "keep" (func $keep (param i32)))
    (func (export "grow") (result i32) (local $i i32)
      (loop $l
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (if (i32.ne (call $make (i32.mul (local.get $i) (i32.const 3))) (local.get $i)) (then unreachable))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 10000))))
      (loop $l
        (if (i32.ne (call $rep (local.get $i)) (i32.mul (local.get $i) (i32.const 3))) (then unreachable))
        (call $drop (local.get $i))
        (if (i32.ne (call $last) (i32.mul (local.get $i) (i32.const 3))) (then unreachable))
        (local.set $i (i32.sub (local.get $i) (i32.const 1)))
        (br_if $l (local.get $i)))
      (call $dropped))
    (func (export "too-many") (loop $l (drop (call $make (i32.const 1))) (br $l)))
    (func (export "lend") (result i32) (local $h i32) (local $i i32)
      (local.set $h (call $make (i32.const 7)))
      (loop $l
        (local.set $i (i32.add (local.get $i) (call $look (local.get $h))))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 50))))
      (call $drop (local.get $h))
      (local.get $i))
    (func (export "kept") (call $keep (call $make (i32.const 7)))))
  (core instance $m (instantiate $M (with "" (instance
    (export "make" (func $make)) (export "rep" (func $rep)) (export "drop" (func $drop))
    (export "dropped" (func $dropped)) (export "last" (func $last))
    (export "look" (func $look)) (export "keep" (func $keep))))))
  (func (export "grow") (result u32) (canon lift (core func $m "grow")))
  (func (export "too-many") (canon lift (core func $m "too-many")))
  (func (export "lend") (result u32) (canon lift (core func $m "lend")))
  (func (export "kept") (canon lift (core func $m "kept")))
  (export $E "R" (type $R))
  (export "make" (func $c "make") (func (param "rep" u32) (result (own $E))))
  (export "rep" (func $c "rep") (func (param "r" (borrow $E)) (result u32)))
  (export "look" (func $k "look") (func (param "r" (borrow $E)) (result u32)))
  (export "keep" (func $k "keep") (func (param "r" (borrow $E)))))"#;

fn tree() -> Running {
    Running::component(TREE, &no_host)
}

#[test]
fn tables_grow_and_destructors_run() {
    assert_eq!(tree().invoke_i32("grow").expect("it returns"), 10_000);
}

#[test]
fn there_is_a_limit_to_handles() {
    assert_eq!(tree().invoke_trap("too-many"), "no room left for handles");
}

#[test]
fn what_is_lent_and_dropped_is_free_again() {
    // The borrow has index 1 in the other table, every time.
    assert_eq!(tree().invoke_i32("lend").expect("it returns"), 50);
}

#[test]
fn a_borrow_that_is_kept_stops_the_guest() {
    assert_eq!(tree().invoke_trap("kept"), "borrow handles still remain at the end of the call");
}

fn handles(running: &Running, name: &str) -> (CoreRef, Handles) {
    let export = running.meta.exports.iter().find(|(export, _)| &**export == name);
    let Some((_, Export::Func(func))) = export else { panic!("{name} is no function") };
    (func.core.clone(), func.options.handles.clone().expect("its type has handles"))
}

fn call(running: &mut Running, core: &CoreRef, given: &[u32]) -> Result<u32, hatchery_vm::CallError> {
    let given: Vec<_> = given.iter().map(|value| RawVal::from_i32(*value as i32)).collect();
    running.call_ref(core, &given).map(|values| values.first().map_or(0, |value| value.get_i32() as u32))
}

#[test]
fn the_host_passes_handles_as_a_component_does() {
    let mut running = tree();
    let resource = 0;
    let Some(Resource::Guest { drop }) = running.meta.resources.first().cloned() else { panic!("a guest's resource") };

    let (make, of_maker) = handles(&running, "make");
    let index = call(&mut running, &make, &[41]).expect("it returns");
    assert_eq!(call(&mut running, &of_maker.lift_own, &[resource, index]).expect("it is there"), 41);
    let gone = call(&mut running, &of_maker.lift_own, &[resource, index]);
    assert_eq!(message(gone), format!("unknown handle index {index}"));
    assert!(of_maker.defines.is_empty(), "it borrows nothing");
    let (rep, of_maker) = handles(&running, "rep");
    assert_eq!(of_maker.defines.len(), 1);
    assert_eq!(call(&mut running, &rep, &[41]).expect("it returns"), 41, "its own borrows are representations");

    let (look, of_keeper) = handles(&running, "look");
    assert!(of_keeper.defines.is_empty());
    let scope = call(&mut running, &of_keeper.begin_call, &[]).expect("it returns");
    let index = call(&mut running, &of_keeper.lower_borrow, &[resource, 41]).expect("it returns");
    assert_eq!(call(&mut running, &look, &[index]).expect("it returns"), index);
    call(&mut running, &of_keeper.end_call, &[scope]).expect("it dropped what it was lent");

    let (keep, _) = handles(&running, "keep");
    let scope = call(&mut running, &of_keeper.begin_call, &[]).expect("it returns");
    let index = call(&mut running, &of_keeper.lower_borrow, &[resource, 41]).expect("it returns");
    let owned = call(&mut running, &of_keeper.lift_own, &[resource, index]);
    assert_eq!(message(owned), format!("handle index {index} is borrowed and cannot be passed as owned"));
    call(&mut running, &keep, &[index]).expect("it returns");
    let kept = call(&mut running, &of_keeper.end_call, &[scope]);
    assert_eq!(message(kept), "borrow handles still remain at the end of the call");

    call(&mut running, &drop, &[41]).expect("the destructor returns");
}

/// A component that gets handles from the host.
const CLIENT: &str = r#"(component
  (import "host" (instance $host
    (export "thing" (type $thing (sub resource)))
    (export "make" (func (param "rep" u32) (result (own $thing))))
    (export "use" (func (param "t" (borrow $thing)) (param "again" u32) (result u32)))))
  (alias export $host "thing" (type $thing))
  (canon resource.drop $thing (core func $drop))
  (canon lower (func $host "make") (core func $make))
  (canon lower (func $host "use") (core func $use))
  (core module $M
    (import "" "make" (func $make (param i32) (result i32)))
    (import "" "use" (func $use (param i32 i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "run") (result i32) (local $h i32)
      (local.set $h (call $make (i32.const 5)))
      (drop (call $use (local.get $h) (i32.const 0)))
      (call $drop (local.get $h))
      (local.get $h))
    (func (export "wrong") (drop (call $use (i32.const 9) (i32.const 0)))))
  (core instance $m (instantiate $M (with "" (instance
    (export "make" (func $make)) (export "use" (func $use)) (export "drop" (func $drop))))))
  (func (export "run") (result u32) (canon lift (core func $m "run")))
  (func (export "wrong") (canon lift (core func $m "wrong"))))"#;

#[test]
fn a_resource_of_the_host_is_dropped_by_the_host() {
    let host = |_: &str, name: &str| match name {
        "make" => HostFunction::typed(|_: HostContext<'_, Vec<u32>>, rep: u32| rep + 1),
        "use" => HostFunction::typed(|_: HostContext<'_, Vec<u32>>, handle: u32, _again: u32| handle),
        "[resource-drop]thing" => HostFunction::typed(|context: HostContext<'_, Vec<u32>>, rep: u32| {
            context.into_access().data_mut().push(rep);
        }),
        other => panic!("nobody provides {other}"),
    };
    let mut running = Running::component(CLIENT, &host);
    let make = running.meta.imports.iter().find(|import| &*import.name == "make").expect("it is imported");
    assert_eq!(make.lowered.len(), 1);
    assert_eq!(make.lowered[0].core, ("host".into(), "make".into()));
    let handles = make.lowered[0].options.handles.clone().expect("it has handles");
    assert_eq!(
        running.meta.resources,
        [Resource::Host {
            interface: Some("host".into()),
            name: "thing".into(),
            drop: Some(("host".into(), "[resource-drop]thing".into())),
        }]
    );
    // What `make` returns is not a handle unless the host makes it one: this is what stands in for that.
    let index = call(&mut running, &handles.lower_own, &[0, 77]).expect("it returns");
    assert_eq!(index, 1);
    let lent = call(&mut running, &handles.lift_borrow, &[0, index]).expect("it is there");
    assert_eq!(lent, 77);
    let owned = call(&mut running, &handles.lift_own, &[0, index]);
    assert_eq!(message(owned), "cannot remove owned resource while borrowed");
}
