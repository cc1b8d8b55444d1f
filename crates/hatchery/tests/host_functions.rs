//! Host functions: what they get, what they return, and what becomes of their failures.

use hatchery::{
    Allocation, Caller, Config, Engine, Error, ErrorKind, Extern, ExternRef, FuncType, Instance, Linker, Module, Trap,
    Val, ValType,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn engine() -> Engine {
    Engine::new(&Config::new().allocation(Allocation::Strict)).expect("an engine")
}

/// An instance of a module with what `define` gives it.
fn instance<T: 'static>(wat: &str, data: T, define: impl FnOnce(&mut Linker<T>)) -> Instance<T> {
    let engine = engine();
    let module = Module::new(&engine, wat).expect("a module");
    let mut linker = Linker::new(&engine);
    define(&mut linker);
    linker.prepare(&module).expect("its imports").instantiate(data).expect("an instance")
}

#[derive(Debug, thiserror::Error)]
#[error("the shelf is empty")]
struct Empty;

#[test]
fn arguments_and_results_of_every_type_arrive() {
    let wat = r#"(module
        (import "h" "f" (func $f (param i32 i64 f32 f64 i32 i64 f32 f64) (result f64)))
        (func (export "run") (result f64)
          (call $f (i32.const -1) (i64.const 0x1_0000_0001) (f32.const 1.5) (f64.const -2.5)
                   (i32.const 7) (i64.const -9) (f32.const 0.25) (f64.const 1e300))))"#;
    let mut instance = instance(wat, (), |linker| {
        let f = |a: i32, b: i64, c: f32, d: f64, e: u32, f: u64, g: f32, h: f64| {
            assert_eq!((a, b, c, d), (-1, 0x1_0000_0001, 1.5, -2.5));
            assert_eq!((e, f, g, h), (7, -9i64 as u64, 0.25, 1e300));
            h / 2.0
        };
        linker.func("h", "f", f).expect("defined");
    });
    let run = instance.func::<(), (f64,)>("run").expect("run");
    assert_eq!(run.call(&mut instance, ()).expect("a call"), (5e299,));
}

#[test]
fn several_results_come_back_in_order() {
    let wat = r#"(module
        (import "h" "f" (func $f (param i32) (result i32 f64 i64)))
        (func (export "run") (param i32) (result i32 f64 i64) (call $f (local.get 0))))"#;
    let mut instance = instance(wat, (), |linker| {
        linker.func("h", "f", |x: i32| (x + 1, f64::from(x) / 2.0, i64::from(x) << 40)).expect("defined");
    });
    let run = instance.func::<(i32,), (i32, f64, i64)>("run").expect("run");
    assert_eq!(run.call(&mut instance, (3,)).expect("a call"), (4, 1.5, 3 << 40));
}

#[test]
fn a_caller_reaches_host_data_and_the_callers_memory() {
    let wat = r#"(module
        (import "h" "log" (func $log (param i32 i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "hello")
        (func (export "run") (call $log (i32.const 8) (i32.const 5)) (call $log (i32.const 9) (i32.const 3))))"#;
    let mut instance = instance(wat, Vec::<String>::new(), |linker| {
        let log = |mut caller: Caller<'_, Vec<String>>, at: u32, length: u32| -> Result<(), Error> {
            let memory = caller.memory().expect("a memory");
            let (memory, lines) = caller.memory_and_data(memory)?;
            lines.push(String::from_utf8_lossy(memory.slice(at.into(), length.into())?).into_owned());
            Ok(())
        };
        linker.func("h", "log", log).expect("defined");
    });
    instance.func::<(), ()>("run").expect("run").call(&mut instance, ()).expect("a call");
    assert_eq!(instance.data(), &["hello", "ell"]);
    assert_eq!(instance.into_data().len(), 2);
}

#[test]
fn a_host_functions_error_ends_the_call_and_comes_back_as_itself() {
    let wat = r#"(module
        (import "h" "f" (func $f (param i32) (result i32)))
        (global $after (mut i32) (i32.const 0))
        (func (export "run") (param i32) (result i32)
          (drop (call $f (local.get 0)))
          (global.set $after (i32.const 1))
          (global.get $after)))"#;
    let mut instance = instance(wat, (), |linker| {
        let f = |x: i32| if x == 0 { Err(Error::host(Empty)) } else { Ok(x) };
        linker.func("h", "f", f).expect("defined");
    });
    let run = instance.func::<(i32,), (i32,)>("run").expect("run");
    for _ in 0..3 {
        let error = run.call(&mut instance, (0,)).expect_err("an error");
        assert_eq!(error.kind(), ErrorKind::Host);
        assert!(error.downcast_ref::<Empty>().is_some(), "{error:?}");
        // A lone module stays usable.
        assert_eq!(run.call(&mut instance, (5,)).expect("a call"), (1,));
    }
}

#[test]
fn a_host_functions_panic_unwinds_to_the_host() {
    let wat = r#"(module
        (import "h" "f" (func $f))
        (func $inner (call $f))
        (func (export "run") (call $inner))
        (func (export "fine") (result i32) (i32.const 7)))"#;
    let mut instance = instance(wat, (), |linker| {
        linker.func("h", "f", || -> () { panic!("out of cheese") }).expect("defined");
    });
    let run = instance.func::<(), ()>("run").expect("run");
    let fine = instance.func::<(), (i32,)>("fine").expect("fine");
    for _ in 0..3 {
        let payload = catch_unwind(AssertUnwindSafe(|| run.call(&mut instance, ()))).expect_err("a panic");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"out of cheese"));
        assert_eq!(fine.call(&mut instance, ()).expect("a call"), (7,));
    }
}

#[test]
fn host_frames_are_dropped_in_order_when_a_nested_call_traps() {
    struct Guard<'a>(&'a std::cell::Cell<u32>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let wat = r#"(module
        (import "h" "again" (func $again (param i32)))
        (func (export "dive") (param i32)
          (if (i32.eqz (local.get 0)) (then unreachable))
          (call $again (local.get 0))))"#;
    let mut instance = instance(wat, 0u32, |linker| {
        let again = |mut caller: Caller<'_, u32>, depth: i32| -> Result<(), Error> {
            let drops = std::cell::Cell::new(0);
            let result = {
                let _guard = Guard(&drops);
                let Some(Extern::Func(dive)) = caller.export("dive") else { panic!("no export") };
                dive.typed::<(i32,), ()>(&mut caller)?.call(&mut caller, (depth - 1,))
            };
            *caller.data_mut() += drops.get();
            let error = result.expect_err("the innermost call traps");
            assert_eq!(error.trap(), Some(Trap::Unreachable));
            if depth % 2 == 0 { Err(error) } else { Ok(()) }
        };
        linker.func("h", "again", again).expect("defined");
    });
    let dive = instance.func::<(i32,), ()>("dive").expect("dive");
    // The trap is caught at each odd depth, so the next one out must be told by an error of its own.
    let error = dive.call(&mut instance, (1,));
    assert!(error.is_ok(), "{error:?}");
    assert_eq!(*instance.data(), 1);
    let error = dive.call(&mut instance, (0,)).expect_err("a trap");
    assert_eq!(error.trap(), Some(Trap::Unreachable));
    assert_eq!(error.backtrace().len(), 1);
}

#[test]
fn dynamic_functions_see_values_and_references() {
    let wat = r#"(module
        (import "h" "f" (func $f (param v128 externref i32) (result externref v128)))
        (func (export "run") (param externref) (result externref v128)
          (call $f (v128.const i32x4 1 2 3 4) (local.get 0) (i32.const 9))))"#;
    let mut instance = instance(wat, (), |linker| {
        let ty = FuncType::new([ValType::V128, ValType::ExternRef, ValType::I32], [ValType::ExternRef, ValType::V128]);
        let f = |mut caller: Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
            let [Val::V128(v), Val::ExternRef(Some(r)), Val::I32(9)] = params else { panic!("{params:?}") };
            assert_eq!(r.downcast::<String>(&mut caller).as_deref(), Some("kept"));
            results[0] = params[1];
            results[1] = Val::V128(v << 1);
            Ok(())
        };
        linker.func_dynamic("h", "f", ty, f).expect("defined");
    });
    let reference = ExternRef::new(&mut instance, "kept".to_string()).expect("a reference");
    let Some(Extern::Func(run)) = instance.export("run") else { panic!("no export") };
    let results = run.call_dynamic(&mut instance, &[Val::ExternRef(Some(reference))]).expect("a call");
    let [Val::ExternRef(Some(back)), Val::V128(v)] = results[..] else { panic!("{results:?}") };
    assert_eq!(back, reference);
    assert_eq!(v, 0x00000004_00000003_00000002_00000001 << 1);
}

#[test]
fn a_dynamic_functions_wrong_result_is_an_error_that_names_both_types() {
    let wat = r#"(module (import "h" "f" (func $f (result i32))) (func (export "run") (drop (call $f))))"#;
    let mut instance = instance(wat, (), |linker| {
        let f = |_: Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
            results[0] = Val::I64(1);
            Ok(())
        };
        linker.func_dynamic("h", "f", FuncType::new([], [ValType::I32]), f).expect("defined");
    });
    let error = instance.func::<(), ()>("run").expect("run").call(&mut instance, ()).expect_err("an error");
    assert_eq!(error.to_string(), "result 0: expected a value of type i32, found i64");
}

#[test]
fn imports_are_checked_when_the_module_is_prepared() {
    let engine = engine();
    let module =
        Module::new(&engine, r#"(module (import "h" "f" (func (param i32) (result i64))))"#).expect("a module");
    let mut linker = Linker::<()>::new(&engine);
    let error = linker.prepare(&module).expect_err("nothing is defined");
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().starts_with("unknown import: `h` `f`"), "{error}");
    linker.func("h", "f", |_: i32| 0i32).expect("defined");
    let error = linker.prepare(&module).expect_err("the types differ");
    assert_eq!(error.kind(), ErrorKind::Link);
    for part in ["incompatible import type", "`h`", "`f`", "(i32) -> (i64)", "(i32) -> (i32)"] {
        assert!(error.to_string().contains(part), "`{part}` is missing in: {error}");
    }
    assert_eq!(linker.func("h", "f", || ()).expect_err("defined twice").kind(), ErrorKind::Usage);
}

#[test]
fn all_imports_that_are_missing_are_named_at_once() {
    let engine = engine();
    let imports = |count: usize| -> String {
        (0..count).map(|number| format!(r#"(import "h" "f{number}" (func))"#)).collect::<Vec<_>>().join("")
    };
    let module = |count| Module::new(&engine, format!(r#"(module {} (import "g" "g" (func)))"#, imports(count)));
    let mut linker = Linker::<()>::new(&engine);
    linker.func("h", "f1", || ()).expect("defined");
    let error = |count| linker.prepare(&module(count).expect("a module")).expect_err("imports are missing").to_string();
    assert_eq!(
        error(3),
        "unknown import: `h` `f0`, `h` `f2`, `g` `g` are not defined (nothing is defined for the module `g`; the host \
         defines 1 other functions of `h`)"
    );
    assert!(error(20).contains("`h` `f16` and 4 more are not defined"), "{}", error(20));
}

#[test]
fn memories_tables_and_globals_that_a_module_imports_must_come_from_the_set() {
    let engine = engine();
    let error = Module::new(&engine, r#"(module (import "h" "m" (memory 1)))"#).expect_err("a memory of the host");
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().contains("the host provides only functions"), "{error}");
}
