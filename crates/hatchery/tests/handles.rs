//! Handles that are used with an instance of another module.

use hatchery::{Config, Engine, Error, ErrorKind, Extern, Instance, Linker, Module, Val};

/// A module that has one of everything, and one that has the same at the same places.
const ONE: &str = r#"(module
    (memory (export "memory") 1)
    (table (export "table") 1 funcref)
    (global (export "global") (mut i32) (i32.const 0))
    (func (export "func") (param i32) (result i32) (local.get 0)))"#;
const NOTHING: &str = "(module)";

fn instance(engine: &Engine, wat: &str) -> Instance<()> {
    let module = Module::new(engine, wat).expect("a module");
    Linker::new(engine).prepare(&module).expect("no imports").instantiate(()).expect("an instance")
}

fn refused<R>(result: Result<R, Error>) {
    let error = result.map(drop).expect_err("a handle of another module");
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
}

#[test]
fn a_handle_of_another_module_reaches_nothing_and_is_no_panic() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let mut own = instance(&engine, ONE);
    for other in [ONE, NOTHING] {
        let mut other = instance(&engine, other);
        for (name, handle) in own.exports() {
            match handle {
                Extern::Memory(memory) => {
                    refused(memory.write(&mut other, 0, b"mine"));
                    refused(memory.read(&mut other, 0, &mut [0]));
                    refused(memory.grow(&mut other, 1));
                    assert_eq!((memory.size(&mut other), memory.size(&mut own)), (0, 65536));
                }
                Extern::Table(table) => {
                    refused(table.get(&mut other, 0));
                    refused(table.set(&mut other, 0, Val::FuncRef(None)));
                    refused(table.grow(&mut other, 0, Val::FuncRef(None)));
                    assert_eq!((table.size(&mut other), table.size(&mut own)), (0, 1));
                }
                Extern::Global(global) => {
                    refused(global.ty(&mut other));
                    refused(global.get(&mut other));
                    refused(global.set(&mut other, Val::I32(1)));
                    assert!(matches!(global.get(&mut own), Ok(Val::I32(0))));
                }
                Extern::Func(func) => {
                    refused(func.ty(&mut other));
                    refused(func.typed::<(i32,), (i32,)>(&mut other));
                    refused(func.call_dynamic(&mut other, &[Val::I32(1)]));
                    refused(pollster::block_on(func.call_dynamic_async(&mut other, &[Val::I32(1)])));
                    let typed = func.typed::<(i32,), (i32,)>(&mut own).expect("its own");
                    refused(typed.call(&mut other, (1,)));
                    refused(pollster::block_on(typed.call_async(&mut other, (1,))));
                    assert_eq!(typed.call(&mut own, (1,)).expect("its own"), (1,));
                }
                _ => panic!("{name} is of no kind that is looked at"),
            }
        }
    }
}
