//! What a pool says of itself as events. One test in a process of its own: which events anybody wants is the process'.

use hatchery::{Allocation, Config, Engine, Linker, Module, Pooling};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span;

const WRITES: &str =
    r#"(module (memory 4) (func (export "write") (param i32) (i32.store (local.get 0) (i32.const 1))))"#;

/// Events by name, with their fields as text.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl tracing::Subscriber for Events {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("hatchery")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        self.0.lock().expect("events").push(fields.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn the_same_numbers_are_events() {
    let events = Events::default();
    let reported = tracing::subscriber::with_default(events.clone(), || {
        let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(2)))).expect("an engine");
        let prepared =
            Linker::new(&engine).prepare(&Module::new(&engine, WRITES).expect("a module")).expect("prepared");
        for at in [0, 9000] {
            let mut instance = prepared.instantiate(()).expect("an instance");
            instance.func::<(i32,), ()>("write").expect("an export").call(&mut instance, (at,)).expect("a call");
        }
        engine.report_pool().expect("a pool")
    });
    let events = events.0.lock().expect("events");
    let message = |event: &&BTreeMap<String, String>| event.get("message").map(String::as_str) == Some("pool");
    let event = events.iter().find(message).expect("the report is an event");
    // Every field of the struct is one of the event, with the same value.
    let debug = format!("{reported:?}");
    let fields = debug.trim_start_matches("PoolMetrics { ").trim_end_matches(" }").split(", ");
    let fields: Vec<_> = fields.map(|field| field.split_once(": ").expect("a field")).collect();
    assert!(fields.len() > 15);
    for (name, value) in fields {
        assert_eq!(event.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(events.iter().any(|event| event.get("message").is_some_and(|m| m == "slot attached")));
}
