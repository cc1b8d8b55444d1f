//! Real components, made by another tool from the same package. They are looked for beside the project, and left out where
//! they are not.

#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

use hatchery::Error;
use hatchery::component::{Component, Linker, Prepared, Resource, ResourceTable};
use std::path::PathBuf;

/// For the component that provides the interface.
mod provider {
    hatchery::component::bindgen!("provider" in "tests/bindings/calc/calc.wit");
}

/// For the one that needs it.
mod consumer {
    hatchery::component::bindgen!({
        path: "tests/bindings/calc",
        world: "consumer",
        trappable: ["demo:calc/ops"],
        with: { "demo:calc/ops/acc": i64 },
    });
}

/// A component, with what it imports that no bindings are for; `None` if it is not there.
fn prepare<T: 'static>(name: &str, define: impl FnOnce(&mut Linker<T>)) -> Option<Prepared<T>> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests");
    let path = std::env::var_os("HATCHERY_GUESTS").map_or_else(beside, PathBuf::from).join(name);
    let Ok(bytes) = std::fs::read(path) else {
        eprintln!("left out: there is no ../shared/guests/{name}");
        return None;
    };
    let engine = crate::engine();
    let component = Component::new(&engine, bytes).expect("compiles");
    let mut linker = Linker::new(&engine);
    define(linker.unknown_imports_trap(true));
    Some(linker.prepare(&component).expect("what bindings are for fits"))
}

#[test]
fn a_real_provider_is_called() {
    use provider::exports::demo::calc::ops::{Caps, Expr, Point};
    let Some(prepared) = prepare("rust-calc-provider.wasm", |_| {}) else { return };
    let world = provider::Provider::new(&prepared).expect("it exports the interface");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let ops = world.demo_calc_ops();
    assert_eq!(ops.call_add(&mut instance, 2, -5).expect("returns"), -3);
    let texts = ["a".to_owned(), "ć".to_owned()];
    assert_eq!(ops.call_concat(&mut instance, &texts).expect("returns"), "ać");
    let points = [Point { x: 0.0, y: 2.0 }, Point { x: 4.0, y: 6.0 }];
    assert_eq!(ops.call_centroid(&mut instance, &points).expect("returns"), Ok(Point { x: 2.0, y: 4.0 }));
    assert_eq!(ops.call_centroid(&mut instance, &[]).expect("returns"), Err("empty".to_owned()));
    let caps = |add, mul, cat| Caps { add, mul, cat };
    let mut describe = |expr: &Expr| ops.call_describe(&mut instance, expr).expect("returns");
    assert_eq!(describe(&Expr::Num(-7)), ("-7".to_owned(), None, caps(true, false, false)));
    assert_eq!(describe(&Expr::Text("héllo".into())), ("héllo".to_owned(), Some(6), caps(false, false, true)));
    assert_eq!(describe(&Expr::Pts(points.to_vec())), ("pts".to_owned(), Some(2), caps(true, true, false)));
    assert_eq!(describe(&Expr::None), ("none".to_owned(), None, Caps::default()));
    let acc = ops.acc();
    let one = acc.call_constructor(&mut instance, 1).expect("returns");
    let two = acc.call_constructor(&mut instance, 1000).expect("returns");
    assert_eq!(acc.call_add(&mut instance, one, 4).expect("returns"), 5);
    let both = acc.call_merge(&mut instance, one, two).expect("returns");
    assert_eq!(acc.call_get(&mut instance, both).expect("returns"), 1005);
    both.resource_drop(&mut instance).expect("is dropped");
}

use consumer::demo::calc::ops;

impl ops::Host for ResourceTable {
    fn add(&mut self, a: i64, b: i64) -> Result<i64, Error> {
        Ok(a + b)
    }

    fn concat(&mut self, xs: Vec<String>) -> Result<String, Error> {
        Ok(xs.concat())
    }

    fn centroid(&mut self, ps: Vec<ops::Point>) -> Result<Result<ops::Point, String>, Error> {
        if ps.is_empty() {
            return Ok(Err("nothing".into()));
        }
        let n = ps.len() as f64;
        let mean = |of: fn(&ops::Point) -> f64| ps.iter().map(of).sum::<f64>() / n;
        Ok(Ok(ops::Point { x: mean(|p| p.x), y: mean(|p| p.y) }))
    }

    fn describe(&mut self, e: ops::Expr) -> Result<(String, Option<u32>, ops::Caps), Error> {
        let ops::Expr::Text(text) = e else { return Ok(("other".into(), None, ops::Caps::default())) };
        let length = text.len() as u32;
        Ok((text, Some(length), ops::Caps { cat: true, ..Default::default() }))
    }
}

impl ops::HostAcc for ResourceTable {
    fn constructor(&mut self, start: i64) -> Result<Resource<ops::Acc>, Error> {
        Ok(self.push(start)?)
    }

    fn add(&mut self, acc: Resource<ops::Acc>, v: i64) -> Result<i64, Error> {
        let sum = self.get_mut(&acc)?;
        *sum += v;
        Ok(*sum)
    }

    fn get(&mut self, acc: Resource<ops::Acc>) -> Result<i64, Error> {
        Ok(*ResourceTable::get(self, &acc)?)
    }

    fn merge(&mut self, a: Resource<ops::Acc>, b: Resource<ops::Acc>) -> Result<Resource<ops::Acc>, Error> {
        let sum = self.delete(a)? + self.delete(b)?;
        Ok(self.push(sum)?)
    }

    fn drop(&mut self, acc: Resource<ops::Acc>) -> Result<(), Error> {
        self.delete(acc)?;
        Ok(())
    }
}

#[test]
fn a_real_consumer_calls_the_host() {
    let define = |linker: &mut Linker<ResourceTable>| {
        consumer::Consumer::add_to_linker(linker, |table: &mut ResourceTable| table).expect("nothing is there yet");
    };
    let Some(prepared) = prepare("rust-calc-consumer.wasm", define) else { return };
    let world = consumer::Consumer::new(&prepared).expect("it exports the function");
    let mut instance = prepared.instantiate(ResourceTable::new()).expect("an instance");
    let text = world.call_run_it(&mut instance, 5).expect("returns");
    assert_eq!(text, "5 abć (2.0, 4.0) nothing 1011 \"héllo\" Some(6)");
    assert!(instance.data().is_empty(), "it drops what it owns");
}

#[test]
fn a_real_composition_is_called() {
    /// For both together.
    mod composed {
        hatchery::component::bindgen!({
            inline: "package demo:composed; world composed { export run-it: func(n: u32) -> string; }",
        });
    }
    let Some(prepared) = prepare("rust-composed-wac.wasm", |_: &mut Linker<()>| {}) else { return };
    let world = composed::Composed::new(&prepared).expect("it exports the function");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let text = world.call_run_it(&mut instance, 5).expect("returns");
    assert_eq!(text, "5 abć (2.0, 4.0) empty 1011 \"héllo\" Some(6)");
}
