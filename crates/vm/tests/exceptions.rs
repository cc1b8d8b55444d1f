//! Exceptions of compiled programs: across frames and modules, with values in registers and on the stack, up to the host
//! and not beyond it.

use hatchery_alloc::OnDemand;
use hatchery_compile::{Budget, LinkSet, compile};
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{ExportItem, Image, InstanceId, Interruption, OptLevel, TrapCode, Tunables};
use hatchery_vm::{CallError, Callee, HostContext, HostFunction, Instance, Limits, Prepared, StackConfig, StackPool};
use std::sync::Arc;

/// The last of these modules is the one that is called; each imports from those before it, by their names.
fn image_with(modules: &[(&str, &str)], tunables: &Tunables) -> Arc<Image> {
    let mut set = LinkSet::new();
    let mut earlier = Vec::new();
    for (name, text) in modules {
        let module = set.add_module(wat::parse_str(text).expect("wat"));
        let instance = set.add_instance(module, Some(name), &earlier);
        earlier.push(((*name).to_owned(), instance));
    }
    Arc::new(compile(&set, tunables, &Budget::default()).expect("image"))
}

fn prepare_with<T: 'static>(image: Arc<Image>, functions: Vec<HostFunction<T>>, limits: Limits) -> Prepared<T> {
    let stacks = Arc::new(StackPool::new(StackConfig::default()).expect("stacks"));
    Prepared::new(image, Arc::new(OnDemand::strict()), stacks, functions, limits).expect("prepared")
}

fn instance(wat: &str) -> Instance<()> {
    let image = image_with(&[("m", wat)], &Tunables::default());
    prepare_with(image, vec![], Limits::default()).instantiate(()).expect("instance")
}

/// The export of the last instance.
fn export<T: 'static>(prepared: &Prepared<T>, name: &str) -> Callee {
    let last = InstanceId(prepared.image().instances().len() as u32 - 1);
    match prepared.image().export(last, name) {
        Some(ExportItem::Func(f)) => {
            prepared.callee(PackedFuncRef::new(f.ty, f.code_offset)).expect("an export can be called")
        }
        other => panic!("{name} is {other:?}"),
    }
}

fn call<T: 'static>(instance: &mut Instance<T>, name: &str, param: i32) -> Result<i32, CallError> {
    let mut access = instance.access();
    let callee = export(&access.prepared(), name);
    let mut values = vec![RawVal::from_i32(param); callee.slots().max(1)];
    access.call(&callee, &mut values)?;
    Ok(values[0].get_i32())
}

fn trap<V: std::fmt::Debug>(result: Result<V, CallError>) -> TrapCode {
    match result {
        Err(CallError::Trap(trap)) => trap.code,
        other => panic!("no trap but {other:?}"),
    }
}

/// Every way to compile that changes what calls look like.
fn variants() -> Vec<Tunables> {
    let plain = Tunables { opt_level: OptLevel::None, ..Tunables::default() };
    let stopped = [Interruption::Poll, Interruption::Fuel];
    let stopped = stopped.map(|interruption| Tunables { interruption, ..Tunables::default() });
    [Tunables::default(), plain].into_iter().chain(stopped).collect()
}

const DEEP: &str = r#"(module
    (tag $e (param i32 i64 f32 f64 v128 externref))
    (tag $other (param i32))
    (global $depth (mut i32) (i32.const 0))
    (func $dive (param i32) (result i32)
      (local $kept i32)
      (local.set $kept (i32.mul (local.get 0) (i32.const 3)))
      (if (i32.eqz (local.get 0))
        (then (throw $e (global.get $depth) (i64.const -2) (f32.const 1.5) (f64.const 2.5)
                        (v128.const i32x4 1 2 3 4) (ref.null extern))))
      (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
      (i32.add (call $dive (i32.sub (local.get 0) (i32.const 1))) (local.get $kept)))
    (func (export "run") (param i32) (result i32)
      (local i64 f32 f64 v128 externref)
      (block $caught (result i32 i64 f32 f64 v128 externref)
        (try_table (result i32) (catch $other 1) (catch $e $caught)
          (call $dive (local.get 0)))
        (return))
      (local.set 5) (local.set 4) (local.set 3) (local.set 2) (local.set 1)
      (if (i64.ne (local.get 1) (i64.const -2)) (then unreachable))
      (if (f32.ne (local.get 2) (f32.const 1.5)) (then unreachable))
      (if (f64.ne (local.get 3) (f64.const 2.5)) (then unreachable))
      (if (i32.ne (i32x4.extract_lane 2 (local.get 4)) (i32.const 3)) (then unreachable))
      (if (i32.eqz (ref.is_null (local.get 5))) (then unreachable))))"#;

#[test]
fn an_exception_passes_frames_with_all_its_values() {
    for tunables in variants() {
        let image = image_with(&[("m", DEEP)], &tunables);
        let mut instance = prepare_with(image, vec![], Limits::default()).instantiate(()).expect("instance");
        assert_eq!(call(&mut instance, "run", 0).expect("caught"), 0);
        assert_eq!(call(&mut instance, "run", 1000).expect("caught"), 1000, "{tunables:?}");
    }
}

/// More values live across the call than there are registers, in the frame that catches and in its caller.
#[test]
fn what_is_live_across_a_call_is_live_behind_its_handler() {
    let names: Vec<String> = (0..24).map(|i| format!("$v{i}")).collect();
    let declare: String = names.iter().map(|name| format!("(local {name} i64)")).collect();
    let set: String = names
        .iter()
        .enumerate()
        .map(|(i, name)| format!("(local.set {name} (i64.mul (local.get $x) (i64.const {})))", 2 * i + 3))
        .collect();
    let sum = names.iter().fold("(i64.const 0)".to_owned(), |sum, name| format!("(i64.add {sum} (local.get {name}))"));
    let text = format!(
        r#"(module (tag $e)
            (func $throw (param i32) (if (local.get 0) (then (throw $e))))
            (func $catch (param $x i64) (param $n i32) (result i64) {declare} {set}
              (block $h
                (try_table (catch $e $h) (call $throw (local.get $n)))
                (return (i64.const -1)))
              {sum})
            (func (export "run") (param $n i32) (result i32) (local $x i64) {declare}
              (local.set $x (i64.extend_i32_u (local.get $n))) {set}
              (drop (call $catch (i64.const 9) (local.get $n)))
              (i32.wrap_i64 (i64.sub {sum} (call $catch (local.get $x) (local.get $n))))))"#
    );
    for tunables in variants() {
        let image = image_with(&[("m", &text)], &tunables);
        let mut instance = prepare_with(image, vec![], Limits::default()).instantiate(()).expect("instance");
        assert_eq!(call(&mut instance, "run", 7).expect("caught"), 0, "{tunables:?}");
        assert_ne!(call(&mut instance, "run", 0).expect("not thrown"), 0);
    }
}

/// Parameters and results that travel on the stack: the frame is where it should be on both ways behind the call.
#[test]
fn a_call_with_values_on_the_stack_leaves_the_frame_in_order() {
    let params = "i64 ".repeat(20);
    let gets: String = (0..20).map(|i| format!("(local.get {i})")).collect();
    let args: String = (0..20).map(|i| format!("(i64.const {i})")).collect();
    let sum = "i64.add ".repeat(19);
    let text = format!(
        r#"(module (tag $e (param {params})) (type $f (func (param {params}) (result {params})))
            (table funcref (elem $give))
            (func $give (type $f) (if (i64.eqz (local.get 0)) (then (throw $e {gets}))) {gets})
            (func (export "run") (param i32) (result i32) (local $kept i32)
              (local.set $kept (i32.mul (local.get 0) (i32.const 1000)))
              (block $out (result {params})
                (try_table (result {params}) (catch $e $out)
                  (i64.extend_i32_u (local.get 0)) {rest}
                  (call_indirect (type $f) (i32.const 0))))
              {sum} i32.wrap_i64 (i32.add (local.get $kept))))"#,
        rest = args.replacen("(i64.const 0)", "", 1),
    );
    for tunables in variants() {
        let image = image_with(&[("m", &text)], &tunables);
        let mut instance = prepare_with(image, vec![], Limits::default()).instantiate(()).expect("instance");
        let sum: i32 = (1..20).sum();
        assert_eq!(call(&mut instance, "run", 0).expect("caught"), sum, "{tunables:?}");
        assert_eq!(call(&mut instance, "run", 5).expect("returned"), 5005 + sum, "{tunables:?}");
    }
}

const TAGS: &str = r#"(module
    (tag (export "a") (param i32)) (tag (export "b") (param i32)))"#;
const THROWER: &str = r#"(module
    (import "tags" "a" (tag $a (param i32))) (import "tags" "b" (tag $b (param i32)))
    (tag $own (param i32))
    (func (export "throw") (param i32)
      (block $b (block $a (br_table $a $b (local.get 0)))
        (throw $a (i32.const 10)))
      (throw $b (i32.const 20)))
    (func (export "throw-own") (throw $own (i32.const 30))))"#;
const CATCHER: &str = r#"(module
    (import "thrower" "throw" (func $throw (param i32))) (import "thrower" "throw-own" (func $throw-own))
    (import "tags" "b" (tag $b (param i32))) (tag $own (param i32))
    (func (export "run") (param i32) (result i32)
      (block $all (block $h (result i32)
        (try_table (catch $own $h) (catch $b $h) (catch_all $all) (call $throw (local.get 0))) (unreachable))
        (return))
      (i32.const -1))
    (func (export "own") (param i32) (result i32)
      (block $h (result i32) (try_table (catch $own $h) (call $throw-own)) (unreachable))))"#;

#[test]
fn a_tag_is_one_wherever_it_is_imported_and_no_other_with_its_type() {
    let image = image_with(&[("tags", TAGS), ("thrower", THROWER), ("catcher", CATCHER)], &Tunables::default());
    let mut instance = prepare_with(image, vec![], Limits::default()).instantiate(()).expect("instance");
    assert_eq!(call(&mut instance, "run", 0).expect("caught by catch_all"), -1);
    assert_eq!(call(&mut instance, "run", 1).expect("caught by tag"), 20);
    assert_eq!(trap(call(&mut instance, "own", 0)), TrapCode::UncaughtException);
}

#[test]
fn an_uncaught_exception_is_a_trap_with_the_guests_backtrace() {
    let mut instance = instance(
        r#"(module (tag $e) (tag $other)
            (func $inner (throw $e))
            (func $middle (try_table (call $inner)))
            (func $run (export "run") (block $h (try_table (catch $other $h) (call $middle)))))"#,
    );
    let Err(CallError::Trap(trap)) = call(&mut instance, "run", 0) else { panic!("a trap") };
    assert_eq!(trap.code, TrapCode::UncaughtException);
    let names: Vec<_> = trap.backtrace.frames().iter().map(|f| f.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("inner".into()), Some("middle".into()), Some("run".into())]);
}

/// The host function calls back into the guest, which throws: the host function gets an error, and the guest
/// that called it catches nothing.
#[test]
fn an_exception_does_not_pass_the_host() {
    const CALLBACK: &str = r#"(module (tag $e)
        (import "host" "again" (func $again (result i32)))
        (func (export "throw") (throw $e))
        (func (export "run") (result i32)
          (block $h (try_table (catch_all $h) (return (call $again))))
          (i32.const -1)))"#;
    let again = HostFunction::typed(|context: HostContext<'_, ()>| {
        let mut access = context.into_access();
        let callee = export(&access.prepared(), "throw");
        trap(access.call(&callee, &mut [])) as i32
    });
    let image = image_with(&[("m", CALLBACK)], &Tunables::default());
    let mut instance = prepare_with(image, vec![again], Limits::default()).instantiate(()).expect("instance");
    assert_eq!(call(&mut instance, "run", 0).expect("returned"), TrapCode::UncaughtException as i32);
}

#[test]
fn a_trap_is_no_exception() {
    let mut instance = instance(
        r#"(module (func $f unreachable) (func $r (call $r))
            (func (export "run") (block $h (try_table (catch_all $h) (call $f))))
            (func (export "deep") (block $h (try_table (catch_all $h) (call $r)))))"#,
    );
    assert_eq!(trap(call(&mut instance, "run", 0)), TrapCode::Unreachable);
    assert_eq!(trap(call(&mut instance, "deep", 0)), TrapCode::StackOverflow);
}

#[test]
fn a_tail_call_leaves_its_handlers() {
    let mut instance = instance(
        r#"(module (tag $e) (func $throw (result i32) (throw $e))
            (func $tail (result i32)
              (block $h (try_table (catch_all $h) (return_call $throw))) (i32.const 1))
            (func (export "run") (result i32)
              (block $h (try_table (catch_all $h) (return (call $tail)))) (i32.const 2)))"#,
    );
    assert_eq!(call(&mut instance, "run", 0).expect("caught"), 2);
}

const REFERENCES: &str = r#"(module
    (tag $e (param i32)) (tag $wrap (param exnref))
    (table $t 2 exnref) (global $g (mut exnref) (ref.null exn))
    (func $throw (param i32) (throw $e (local.get 0)))
    ;; One frame of cleanup, as C++ has it.
    (func $clean (param i32)
      (block $h (result exnref)
        (try_table (catch_all_ref $h) (call $throw (local.get 0))) (return))
      throw_ref)
    (func $catch (param i32) (result i32)
      (block $h (result i32) (try_table (catch $e $h) (call $clean (local.get 0))) (unreachable)))
    (func (export "many") (param $n i32) (result i32) (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (local.get $sum) (call $catch (i32.and (local.get $n) (i32.const 1)))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum))
    (func $ref (param i32) (result exnref) (local $r exnref)
      (block $h (result i32 exnref) (try_table (catch_ref $e $h) (call $throw (local.get 0))) (unreachable))
      (local.set $r) (drop) (local.get $r))
    (func $value (param exnref) (result i32)
      (block $h (result i32) (try_table (catch $e $h) (throw_ref (local.get 0))) (unreachable)))
    ;; References in a table, a global, a local and another exception outlive as many others as it takes.
    (func (export "kept") (param $n i32) (result i32) (local $x exnref) (local $y exnref)
      (table.set $t (i32.const 1) (call $ref (i32.const 1)))
      (global.set $g (call $ref (i32.const 10)))
      (local.set $x (call $ref (i32.const 100)))
      (block $h (result exnref exnref)
        (try_table (catch_ref $wrap $h) (throw $wrap (call $ref (i32.const 1000)))) (unreachable))
      (local.set $y) (drop)
      (drop (call $many (local.get $n)))
      (i32.add (i32.add (call $value (table.get $t (i32.const 1))) (call $value (global.get $g)))
        (i32.add (call $value (local.get $x))
          (block $h (result exnref) (try_table (catch $wrap $h) (throw_ref (local.get $y))) (unreachable))
          (call $value))))
    (func $many (param i32) (result i32) (local $i i32)
      (loop $again
        (drop (call $ref (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get 0))))
      (local.get $i))
    (func (export "hoard") (param $n i32) (result i32) (local $i i32)
      (drop (table.grow $t (ref.null exn) (local.get $n)))
      (loop $again
        (table.set $t (local.get $i) (call $ref (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get $n))))
      (local.get $i))
    (func (export "null") (throw_ref (ref.null exn))))"#;

fn references(limits: Limits) -> Instance<()> {
    let image = image_with(&[("m", REFERENCES)], &Tunables::default());
    prepare_with(image, vec![], limits).instantiate(()).expect("instance")
}

#[test]
fn references_that_nobody_has_any_more_make_room() {
    let mut instance = references(Limits { exception_bytes: 128 << 10, ..Limits::default() });
    assert_eq!(call(&mut instance, "many", 20_000).expect("room"), 10_000);
}

#[test]
fn references_are_kept_wherever_they_are() {
    let mut instance = references(Limits { exception_bytes: 128 << 10, ..Limits::default() });
    assert_eq!(call(&mut instance, "kept", 20_000).expect("room"), 1111);
}

#[test]
fn more_references_than_are_allowed_are_a_trap() {
    let mut instance = references(Limits { exception_bytes: 128 << 10, ..Limits::default() });
    assert_eq!(call(&mut instance, "hoard", 100).expect("room"), 100);
    assert_eq!(trap(call(&mut instance, "hoard", 3000)), TrapCode::ExceptionsExhausted);
}

#[test]
fn throwing_null_is_a_trap() {
    assert_eq!(trap(call(&mut references(Limits::default()), "null", 0)), TrapCode::NullExceptionReference);
}

#[test]
fn a_function_of_exception_references_is_not_called_from_the_host() {
    let mut instance = instance(r#"(module (func (export "f") (param exnref)))"#);
    let access = instance.access();
    let Some(ExportItem::Func(func)) = access.prepared().image().export(InstanceId(0), "f") else {
        panic!("a function")
    };
    assert!(access.prepared().callee(PackedFuncRef::new(func.ty, func.code_offset)).is_err());
}
