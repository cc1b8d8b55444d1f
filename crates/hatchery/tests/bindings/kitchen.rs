//! A world from files, with a package that it depends on: host and component call each other.

use crate::{engine, kitchen};
use bindings::Kitchen;
use bindings::test::kitchen::store::{self, Failure, Mode};
use bindings::test::units::lengths::{Length, Unit};
use hatchery::component::{Instance, Linker, Resource, ResourceTable};
use hatchery::{Error, ErrorKind, Limits, Trap};
use std::collections::HashMap;

/// The bindings.
mod bindings {
    hatchery::component::bindgen!({
        path: "tests/bindings/wit",
        world: "kitchen",
        async: ["clock"],
        trappable: ["test:kitchen/store", "log"],
        with: { "test:kitchen/store/bucket": super::Bucket },
    });
}

/// Lengths by name.
#[derive(Default)]
struct Bucket {
    lengths: HashMap<String, Length>,
}

/// The host data.
#[derive(Default)]
struct State {
    table: ResourceTable,
    lines: Vec<String>,
    drops: u32,
}

impl store::Host for State {
    fn total(&mut self, buckets: Vec<Resource<Bucket>>) -> Result<u32, Error> {
        let mut total = 0;
        for bucket in &buckets {
            assert!(!bucket.owned());
            total += self.table.get(bucket)?.lengths.len() as u32;
        }
        Ok(total)
    }
}

impl store::HostBucket for State {
    fn constructor(&mut self, name: String) -> Result<Resource<Bucket>, Error> {
        let lengths = HashMap::from([(name, Length { value: 7, unit: Unit::Foot })]);
        Ok(self.table.push(Bucket { lengths })?)
    }

    fn get(&mut self, bucket: Resource<Bucket>, key: String) -> Result<Result<Length, Failure>, Error> {
        if key == "self" {
            return Ok(Err(Failure::Self_));
        }
        Ok(self.table.get(&bucket)?.lengths.get(&key).copied().ok_or(Failure::Missing(key)))
    }

    fn put(&mut self, bucket: Resource<Bucket>, key: String, value: Length) -> Result<(), Error> {
        self.table.get_mut(&bucket)?.lengths.insert(key, value);
        Ok(())
    }

    fn drop_(&mut self, bucket: Resource<Bucket>) -> Result<u32, Error> {
        self.table.get(&bucket)?;
        Ok(1000)
    }

    fn open(&mut self, name: String, mode: Mode) -> Result<Option<Resource<Bucket>>, Error> {
        assert_eq!(mode, Mode { write: true, r#type: true, ..Mode::default() });
        if name == "none" {
            return Ok(None);
        }
        Ok(Some(self.table.push(Bucket::default())?))
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> Result<(), Error> {
        self.drops += 1;
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl bindings::clock::Host for State {
    async fn now(&mut self) -> u64 {
        let mut polled = false;
        std::future::poll_fn(|cx| {
            cx.waker().wake_by_ref();
            if std::mem::replace(&mut polled, true) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        self.lines.push("now".into());
        1234
    }
}

impl bindings::KitchenImports for State {
    fn log(&mut self, line: String) -> Result<(), Error> {
        if line == "forbidden" {
            return Err(Error::host("the line is forbidden"));
        }
        self.lines.push(line);
        Ok(())
    }
}

fn start() -> (Kitchen, Instance<State>) {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    Kitchen::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let (prepared, kitchen) = Kitchen::prepare(&linker, &kitchen(&engine)).expect("everything is there");
    (kitchen, prepared.instantiate(State::default()).expect("an instance"))
}

#[test]
fn records_variants_and_resources_pass_both_ways() {
    let (kitchen, mut instance) = start();
    let there = kitchen.call_run(&mut instance, "ab", "ab").expect("returns");
    assert_eq!(there, Ok(Length { value: 7, unit: Unit::Foot }));
    let missing = kitchen.call_run(&mut instance, "ab", "ć").expect("returns").expect_err("is not there");
    assert_eq!(missing, Failure::Missing("ć".into()));
    assert_eq!(missing.to_string(), "Missing(\"ć\")");
    let itself = kitchen.call_run(&mut instance, "ab", "self").expect("returns");
    assert_eq!(itself, Err(Failure::Self_));
    assert_eq!(instance.data().drops, 3);
    assert!(instance.data().table.is_empty());
}

#[test]
fn flags_options_and_lists_of_borrows_pass() {
    let (kitchen, mut instance) = start();
    let length = Length { value: 3, unit: Unit::Metre };
    assert_eq!(kitchen.call_fill(&mut instance, "x", length).expect("returns"), 1002);
    assert_eq!(kitchen.call_fill(&mut instance, "none", length).expect("returns"), u32::MAX);
    assert_eq!(instance.data().lines, ["x", "none"]);
}

#[test]
fn an_error_of_a_trappable_function_ends_the_call() {
    let (kitchen, mut instance) = start();
    let error = kitchen.call_fill(&mut instance, "forbidden", Length { value: 3, unit: Unit::Metre }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Host);
    assert!(error.to_string().contains("the line is forbidden"), "{error}");
    assert!(instance.is_poisoned());
}

#[test]
fn an_async_function_suspends_the_component() {
    let (kitchen, mut instance) = start();
    assert_eq!(pollster::block_on(kitchen.call_time_async(&mut instance)).expect("returns"), 1234);
    assert_eq!(instance.data().lines, ["now"]);
    let length = Length { value: 3, unit: Unit::Metre };
    let total = pollster::block_on(kitchen.call_fill_async(&mut instance, "y", length));
    assert_eq!(total.expect("returns"), 1002);
    assert_eq!(kitchen.call_time(&mut instance).unwrap_err().trap(), Some(Trap::CannotSuspend));
}

#[test]
fn resources_of_the_component_have_methods() {
    let (kitchen, mut instance) = start();
    let counter = kitchen.test_kitchen_counters().counter();
    let one = counter.call_constructor(&mut instance, 5).expect("returns");
    let two = counter.call_constructor(&mut instance, 50).expect("returns");
    assert_eq!(counter.call_add(&mut instance, one, 2).expect("returns"), 7);
    assert_eq!(counter.call_add(&mut instance, two, 2).expect("returns"), 52);
    assert_eq!(pollster::block_on(counter.call_add_async(&mut instance, one, 1)).expect("returns"), 8);
    one.resource_drop(&mut instance).expect("is dropped");
    assert_eq!(counter.call_add(&mut instance, one, 2).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn limits_are_those_of_the_linker() {
    let engine = engine();
    let mut linker = Linker::new(&engine);
    Kitchen::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let limits = Limits::new().max_memory(1);
    let error = Kitchen::prepare_with(&linker, &kitchen(&engine), limits).expect_err("its memory is larger");
    assert_eq!(error.kind(), linker.prepare_with(&kitchen(&engine), limits).unwrap_err().kind());
}

#[test]
fn adding_twice_is_an_error_that_names_the_interface() {
    let mut linker = Linker::new(&engine());
    Kitchen::add_to_linker(&mut linker, |state: &mut State| state).expect("nothing is there yet");
    let error = store::add_to_linker(&mut linker, |state: &mut State| state).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("`test:kitchen/store@1.2.0`"), "{error}");
}
