//! Guests that grow, in slots whose grown tails stay mapped: they are out of bounds for who has not grown, and zero.

#![expect(unsafe_code, reason = "opens artifacts")]

use hatchery::{Allocation, Bounds, Config, Engine, Instance, Linker, Module, Pooling, Prepared, Reset, Trap, Verify};

/// A memory of a page, by whose functions it is grown, read and written.
fn program(index: &str) -> String {
    format!(
        r#"(module (memory (export "memory") {} 1 200)
            (func (export "grow") (param {index}) (result {index}) (memory.grow (local.get 0)))
            (func (export "size") (result {index}) (memory.size))
            (func (export "load") (param {index}) (result i64) (i64.load offset=4 (local.get 0)))
            (func (export "store") (param {index}) (i64.store offset=4 (local.get 0) (i64.const -1))))"#,
        if index == "i64" { "i64" } else { "" }
    )
}

fn engine(bounds: Bounds, pooling: Pooling) -> Engine {
    let pooling = pooling.verify(Verify::EveryReset);
    Engine::new(&Config::new().allocation(Allocation::Pooling(pooling)).bounds(bounds)).expect("an engine")
}

fn prepared(engine: &Engine, text: &str) -> Prepared<()> {
    Linker::new(engine).prepare(&Module::new(engine, text).expect("compiles")).expect("links")
}

trait Guest {
    fn grow(&mut self, pages: u32) -> i64;
    fn load(&mut self, at: u32) -> Result<i64, Option<Trap>>;
    fn store(&mut self, at: u32) -> Result<(), Option<Trap>>;
}

/// Calls whichever index type the module has.
impl Guest for Instance<()> {
    fn grow(&mut self, pages: u32) -> i64 {
        match self.func::<(u32,), (i32,)>("grow") {
            Ok(grow) => grow.call(self, (pages,)).expect("grows or not").0.into(),
            Err(_) => {
                let grow = self.func::<(u64,), (i64,)>("grow").expect("memory64");
                grow.call(self, (pages.into(),)).expect("grows or not").0
            }
        }
    }

    fn load(&mut self, at: u32) -> Result<i64, Option<Trap>> {
        let result = match self.func::<(u32,), (i64,)>("load") {
            Ok(load) => load.call(self, (at,)),
            Err(_) => self.func::<(u64,), (i64,)>("load").expect("memory64").call(self, (at.into(),)),
        };
        result.map(|(value,)| value).map_err(|error| error.trap())
    }

    fn store(&mut self, at: u32) -> Result<(), Option<Trap>> {
        let result = match self.func::<(u32,), ()>("store") {
            Ok(store) => store.call(self, (at,)),
            Err(_) => self.func::<(u64,), ()>("store").expect("memory64").call(self, (at.into(),)),
        };
        result.map_err(|error| error.trap())
    }
}

const PAGE: u32 = 65536;
const OUTSIDE: Option<Trap> = Some(Trap::MemoryOutOfBounds);

#[test]
fn a_tail_that_stays_is_out_of_bounds_and_zero() {
    for (index, bounds) in [
        ("i32", Bounds::Auto),
        ("i32", Bounds::Guard),
        ("i32", Bounds::Explicit),
        ("i32", Bounds::Growing),
        ("i64", Bounds::Auto),
        ("i64", Bounds::Guard),
    ] {
        for reset in [Reset::WorkingSet, Reset::Decommit] {
            let prepared = prepared(&engine(bounds, Pooling::new(1).reset(reset)), &program(index));
            for round in 0..30 {
                let mut instance = prepared.instantiate(()).expect("an instance");
                for at in [PAGE - 11, PAGE, 2 * PAGE, 9 * PAGE, 100 * PAGE, u32::MAX] {
                    assert_eq!(instance.load(at), Err(OUTSIDE), "{index} {bounds:?} round {round}");
                    assert_eq!(instance.store(at), Err(OUTSIDE), "{index} {bounds:?} round {round}");
                }
                let pages = 1 + round % 9;
                assert_eq!(instance.grow(pages), 1);
                let end = (1 + pages) * PAGE;
                for at in (0..end - 12).step_by(4096).chain([PAGE - 9, end - 12]) {
                    assert_eq!(instance.load(at), Ok(0), "{index} {bounds:?} round {round}");
                }
                assert_eq!(instance.store(end - 11), Err(OUTSIDE));
                for at in [0, PAGE - 9, end - 12] {
                    assert_eq!(instance.store(at), Ok(()));
                    assert_eq!(instance.load(at), Ok(-1));
                }
                assert_eq!(instance.grow(300), -1);
                assert_eq!(instance.load(end - 12), Ok(-1));
            }
        }
    }
}

fn open(engine: &Engine, path: &std::path::Path) -> Result<Module, hatchery::Error> {
    // SAFETY: the test made the file.
    unsafe { Module::open(engine, path) }
}

#[test]
fn artifacts_go_wherever_their_bounds_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("grows.hatch");
    for compiled in [Bounds::Guard, Bounds::Growing, Bounds::Explicit, Bounds::Auto] {
        Module::new(&engine(compiled, Pooling::new(1)), program("i32")).expect("compiles").save(&path).expect("saved");
        for opened in [Bounds::Guard, Bounds::Growing, Bounds::Explicit, Bounds::Auto] {
            let engine = engine(opened, Pooling::new(1));
            let module = match open(&engine, &path) {
                Ok(module) => module,
                Err(error) => {
                    assert!(opened == Bounds::Explicit && compiled != Bounds::Explicit, "{compiled:?} {opened:?}");
                    assert!(error.to_string().contains("explicit bounds"), "{error}");
                    continue;
                }
            };
            assert!(opened != Bounds::Explicit || compiled == Bounds::Explicit, "{compiled:?}");
            let prepared = Linker::new(&engine).prepare(&module).expect("links");
            for _ in 0..3 {
                let mut instance = prepared.instantiate(()).expect("an instance");
                assert_eq!(instance.load(PAGE), Err(OUTSIDE));
                assert_eq!((instance.grow(1), instance.load(PAGE), instance.store(PAGE)), (1, Ok(0), Ok(())));
            }
        }
    }
}

#[test]
fn what_was_learned_goes_with_the_module() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("learned.hatch");
    let first = engine(Bounds::Auto, Pooling::new(1));
    let module = Module::new(&first, program("i32")).expect("compiles");
    assert!(module.learned().is_empty());
    let run = |prepared: &Prepared<()>| {
        let mut instance = prepared.instantiate(()).expect("an instance");
        assert_eq!((instance.grow(4), instance.store(3 * PAGE)), (1, Ok(())));
    };
    let prepared = Linker::new(&first).prepare(&module).expect("links");
    assert!(prepared.learned().is_empty());
    run(&prepared);
    let learned = prepared.learned();
    // The length in the state, and the page in the tail.
    assert_eq!(learned.written().len(), 2, "{learned:?}");
    let grown = learned.grown().next().expect("it grew");
    assert_eq!(grown.end - grown.start, 4 * u64::from(PAGE));

    module.with_learned(&learned).expect("of its slots").save(&path).expect("saved");
    let second = engine(Bounds::Auto, Pooling::new(2));
    let module = open(&second, &path).expect("opens");
    module.verify().expect("sound");
    assert_eq!(module.learned(), learned);
    let prepared = Linker::new(&second).prepare(&module).expect("links");
    run(&prepared);
    assert_eq!(prepared.learned(), learned, "nothing was learned anew");
    let other = Module::new(&second, "(module)").expect("compiles").with_learned(&learned);
    assert!(other.expect_err("of other slots").to_string().contains("learned"));
}
