//! Host functions of each kind, called by components.

use super::build::{ALLOCATOR, Guest, engine};
use crate::ErrorKind;
use crate::component::{Linker, Val, WasmStr};
use hatchery_component::plan::Encoding;
use hatchery_component::types::{TypeDef, ValueType};

const LOG: &str = "test:host/log@1.2.0";

/// Calls the host with what it is called with, and returns what that returns.
fn relay() -> Guest {
    let wat = format!(
        r#"(module
            (import "{LOG}" "add" (func $add (param i32 i32) (result i32)))
            (import "{LOG}" "say" (func $say (param i32 i32) (result i32)))
            (import "{LOG}" "twice" (func $twice (param i32 i32 i32)))
            {ALLOCATOR}
            (func (export "add") (param i32 i32) (result i32) (call $add (local.get 0) (local.get 1)))
            (func (export "say") (param i32 i32) (result i32) (call $say (local.get 0) (local.get 1)))
            (func (export "twice") (param i32 i32) (result i32)
                (call $twice (local.get 0) (local.get 1) (i32.const 8))
                (i32.const 8)))"#
    );
    let (number, text) = (ValueType::U32, ValueType::String);
    Guest::new(&wat)
        .import(LOG, "add", &[number, number], Some(number))
        .import(LOG, "say", &[text], Some(number))
        .import(LOG, "twice", &[text], Some(text))
        .export("add", &[number, number], Some(number))
        .export("say", &[text], Some(number))
        .export("twice", &[text], Some(text))
}

/// Calls can be spawned on executors with many threads.
fn sent<F: Send>(future: F) -> F {
    future
}

#[test]
fn typed_closures_are_called() {
    let instance = relay().link(|linker| {
        let mut log = linker.instance("test:host/log@1.4.0")?;
        log.func("add", |_, (a, b): (u32, u32)| Ok((a + b,)))?;
        log.func("say", |caller, (text,): (WasmStr,)| Ok((text.to_str(&caller)?.chars().count() as u32,)))?;
        log.func("twice", |_, (text,): (String,)| Ok((text.repeat(2),)))?;
        Ok(())
    });
    let mut instance = instance.expect("an instance");
    let add = instance.func::<(u32, u32), (u32,)>("add").expect("there");
    assert_eq!(add.call(&mut instance, (2, 3)).expect("returns"), (5,));
    let say = instance.func::<(&str,), (u32,)>("say").expect("there");
    assert_eq!(say.call(&mut instance, ("äöü",)).expect("returns"), (3,));
    let twice = instance.func::<(String,), (String,)>("twice").expect("there");
    assert_eq!(twice.call(&mut instance, ("ab".into(),)).expect("returns").0, "abab");
}

#[test]
fn dynamic_closures_are_called_with_dynamic_values() {
    let instance = relay().link(|linker| {
        let mut log = linker.instance(LOG)?;
        log.func_dynamic("add", |_, ty, params| {
            assert_eq!(ty.to_string(), "func(p0: u32, p1: u32) -> u32");
            let [Val::U32(a), Val::U32(b)] = params else { panic!("{params:?}") };
            Ok(Some(Val::U32(a * b)))
        })?;
        log.func_dynamic("say", |_, _, _| Ok(None))?;
        log.func_dynamic("twice", |_, _, params| Ok(Some(params[0].clone())))?;
        Ok(())
    });
    let mut instance = instance.expect("an instance");
    let add = instance.func_dynamic("add").expect("there");
    let product = add.call(&mut instance, &[Val::U32(6), Val::U32(7)]).expect("returns");
    assert_eq!(product, Some(Val::U32(42)));
    assert_eq!(add.call(&mut instance, &[Val::U32(6)]).unwrap_err().kind(), ErrorKind::Usage);
    assert_eq!(add.call(&mut instance, &[Val::U32(6), Val::Bool(true)]).unwrap_err().kind(), ErrorKind::Usage);
    let twice = instance.func_dynamic("twice").expect("there");
    let same = twice.call(&mut instance, &[Val::String("hé".into())]).expect("not poisoned by mistakes of the host");
    assert_eq!(same, Some(Val::String("hé".into())));
    let say = instance.func_dynamic("say").expect("there");
    assert!(say.call(&mut instance, &[Val::String(String::new())]).is_err());
}

#[test]
fn async_closures_suspend() {
    async fn pause() {
        let mut polled = false;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }
    let instance = relay().link(|linker| {
        let mut log = linker.instance(LOG)?;
        log.func_async("add", |_, (a, b): (u32, u32)| {
            Box::pin(async move {
                pause().await;
                Ok((a + b,))
            })
        })?;
        log.func_async("say", |_, (_,): (String,)| Box::pin(std::future::ready(Ok((1u32,)))))?;
        log.func_async("twice", |_, (text,): (String,)| {
            Box::pin(async move {
                pause().await;
                Ok((text.repeat(2),))
            })
        })?;
        Ok(())
    });
    let mut instance = instance.expect("an instance");
    pollster::block_on(async {
        let add = instance.func::<(u32, u32), (u32,)>("add").expect("there");
        assert_eq!(sent(add.call_async(&mut instance, (2, 3))).await.expect("returns"), (5,));
        let twice = instance.func::<(&str,), (String,)>("twice").expect("there");
        assert_eq!(twice.call_async(&mut instance, ("ab",)).await.expect("returns").0, "abab");
        let twice = instance.func_dynamic("twice").expect("there");
        let text = twice.call_async(&mut instance, &[Val::String("x".into())]).await.expect("returns");
        assert_eq!(text, Some(Val::String("xx".into())));
        // A call that cannot be suspended.
        let error = add.call(&mut instance, (1, 1)).unwrap_err();
        assert_eq!(error.trap(), Some(crate::Trap::CannotSuspend));
    });
}

#[test]
fn a_call_that_is_given_up_poisons() {
    let instance = relay().link(|linker| {
        let mut log = linker.instance(LOG)?;
        log.func_async("add", |_, (_, _): (u32, u32)| Box::pin(std::future::pending::<Result<(u32,), _>>()))?;
        log.func("say", |_, (_,): (String,)| Ok((0u32,)))?;
        log.func("twice", |_, (text,): (String,)| Ok((text,)))?;
        Ok(())
    });
    let mut instance = instance.expect("an instance");
    let add = instance.func::<(u32, u32), (u32,)>("add").expect("there");
    pollster::block_on(async {
        let mut call = std::pin::pin!(add.call_async(&mut instance, (1, 2)));
        std::future::poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    });
    assert!(instance.is_poisoned());
}

#[test]
fn missing_imports_are_named_all_at_once() {
    let error = relay().link(|linker| {
        linker.instance("test:host/log@2.0.0")?.func("add", |_, (a, _): (u32, u32)| Ok((a,)))?;
        linker.instance(LOG)?.func("add", |_, (a, _): (u32, u32)| Ok((a,)))?;
        Ok(())
    });
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Link);
    let text = error.to_string();
    assert!(text.contains(&format!("`{LOG}` `say`")) && text.contains("`twice`") && !text.contains("`add`"), "{text}");
}

#[test]
fn imports_of_another_type_are_refused_with_both() {
    let error = relay().link(|linker| {
        let mut log = linker.instance(LOG)?;
        log.func("add", |_, (_, _): (u32, u64)| Ok((0u32,)))?;
        log.func("say", |_, (_,): (String,)| Ok((0u32,)))?;
        log.func("twice", |_, (text,): (String,)| Ok((text,)))?;
        Ok(())
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "the import `{LOG}` `add` has another type: the component's is func(p0: u32, p1: u32) -> u32, \
             the host's is func(u32, u64) -> u32"
        )
    );
}

#[test]
fn all_imports_that_do_not_fit_are_reported_at_once() {
    let error = relay().link(|linker| {
        let mut log = linker.instance(LOG)?;
        log.func("say", |_, (_,): (char,)| Ok((0u32,)))?;
        log.func("twice", |_, (_,): (String,)| Ok(()))?;
        Ok(())
    });
    assert_eq!(
        error.unwrap_err().to_string(),
        format!(
            "host and component do not fit together:
  the component imports what is not defined: `{LOG}` `add`
  the import `{LOG}` `say` has another type: the component's is func(p0: string) -> u32, the host's is func(char) -> u32
  the import `{LOG}` `twice` has another type: the component's is func(p0: string) -> string, the host's is func(string)"
        )
    );
}

#[test]
fn of_many_imports_that_do_not_fit_some_are_counted() {
    let names: Vec<_> = (0..20).map(|i| format!("f{i}")).collect();
    let wat: String = names.iter().map(|name| format!(r#"(import "{LOG}" "{name}" (func (param i32)))"#)).collect();
    let guest = Guest::new(&format!("(module {wat})"));
    let guest = names.iter().fold(guest, |guest, name| guest.import(LOG, name, &[ValueType::U32], None));
    let error = guest.link(|linker| {
        let mut log = linker.instance(LOG)?;
        names.iter().try_for_each(|name| log.func(name, |_, (_,): (u64,)| Ok(())).map(drop))
    });
    let text = error.unwrap_err().to_string();
    assert_eq!(text.matches("func(p0: u32), the host's is func(u64)\n").count(), 16, "{text}");
    assert!(text.ends_with("\n  4 more functions have other types"), "{text}");
}

#[test]
fn unknown_imports_trap_when_they_are_called_if_that_is_asked_for() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.unknown_imports_trap(true);
    let prepared = linker.prepare(&relay().compile(&engine)).expect("nothing is missing");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let add = instance.func::<(u32, u32), (u32,)>("add").expect("there");
    let error = add.call(&mut instance, (1, 2)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Trap);
    assert!(error.to_string().contains("`add` is not defined"), "{error}");
}

#[test]
fn strings_are_passed_in_every_encoding() {
    for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::CompactUtf16] {
        let (text, log) = (ValueType::String, "test:host/echo");
        let wat = format!(
            r#"(module
                (import "{log}" "same" (func $same (param i32 i32 i32)))
                {ALLOCATOR}
                (func (export "same") (param i32 i32) (result i32)
                    (call $same (local.get 0) (local.get 1) (i32.const 8))
                    (i32.const 8)))"#
        );
        let guest = Guest::new(&wat).encoding(encoding).import(log, "same", &[text], Some(text));
        let guest = guest.export("same", &[text], Some(text));
        let instance = guest.link(|linker| {
            linker
                .instance(log)?
                .func("same", |caller, (text,): (WasmStr,)| Ok((text.to_str(&caller)?.into_owned(),)))?;
            Ok(())
        });
        let mut instance = instance.expect("an instance");
        let same = instance.func::<(&str,), (String,)>("same").expect("there");
        for text in ["", "plain", "härter ÿ", "Ωmega", "🦀 and more"] {
            assert_eq!(same.call(&mut instance, (text,)).expect("returns").0, text, "{encoding:?}");
        }
    }
}

#[test]
fn a_type_that_is_used_twice_is_one() {
    let mut guest = relay();
    let pair = guest.def(TypeDef::Tuple(vec![ValueType::U8, ValueType::U8]));
    assert_eq!(guest.def(TypeDef::Tuple(vec![ValueType::U8, ValueType::U8])), pair);
}

#[test]
fn many_imports_of_a_large_type_take_time_in_proportion() {
    let count = 5000;
    let imports: String =
        (0..count).map(|i| format!(r#"(import "{LOG}" "f{i}" (func (param i32 i32 i32 i32 i32)))"#)).collect();
    let mut guest = Guest::new(&format!("(module {imports})"));
    // Fifty thousand numbers in cases of cases.
    let mut ty = ValueType::U32;
    for _ in 0..4 {
        ty = guest.def(TypeDef::Variant((0..15).map(|case| (format!("c{case}").into(), Some(ty))).collect()));
    }
    let guest = (0..count).fold(guest, |guest, i| guest.import(LOG, &format!("f{i}"), &[ty], None));
    let engine = engine();
    let component = guest.compile(&engine);
    let mut linker = Linker::<()>::new(&engine);
    linker.unknown_imports_trap(true);
    let start = std::time::Instant::now();
    linker.prepare(&component).expect("fits");
    // Each type is looked at once. That takes much longer when it is looked at for each import.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}
