//! The naive oracle: every operation on an instance from the pool is done on a fresh on-demand instance too, and
//! whatever can be observed is compared.

use super::*;

/// Programs that differ in sizes, contents and what they begin with.
fn programs() -> [String; 4] {
    let program = |memory: &str, data: &str, table: &str, globals: &str| {
        format!(
            r#"(module
            (memory (export "memory") {memory})
            (table (export "table") {table} funcref)
            (global $g (export "g") (mut i64) (i64.const 7)) (global (export "v") (mut v128) (v128.const i64x2 1 2)) {globals}
            {data}
            (data $passive "passive data that is dropped at some time")
            (elem $segment func $f $f $f $f $f) (func $f)
            (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
            (func (export "load") (param i32 i32) (result i64) (i64.load offset=3 (local.get 0)))
            (func (export "fill") (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const 9000)))
            (func (export "copy") (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 5000)))
            (func (export "init") (param i32 i32)
              (memory.init $passive (local.get 0) (i32.and (local.get 1) (i32.const 15)) (i32.const 20)))
            (func (export "drop") (param i32 i32) (data.drop $passive))
            (func (export "grow") (param i32 i32) (result i32) (memory.grow (i32.and (local.get 1) (i32.const 3))))
            (func (export "table-set") (param i32 i32)
              (table.set (i32.and (local.get 0) (i32.const 63)) (if (result funcref) (i32.and (local.get 1) (i32.const 1))
                (then (ref.func $f)) (else (ref.null func)))))
            (func (export "table-grow") (param i32 i32) (result i32)
              (table.grow (ref.func $f) (i32.and (local.get 1) (i32.const 31))))
            (func (export "table-init") (param i32 i32)
              (table.init $segment (i32.and (local.get 0) (i32.const 63)) (i32.const 1) (i32.const 3)))
            (func (export "elem-drop") (param i32 i32) (elem.drop $segment))
            (func (export "global") (param i32 i32) (global.set $g (i64.extend_i32_u (local.get 1))))
            (func $deep (export "overflow") (param i32 i32) (i32.store (i32.const 12000) (local.get 1))
              (call $deep (local.get 0) (local.get 1)))
            (func (export "crash") (param i32 i32) (i32.store (local.get 0) (local.get 1)) unreachable)
            (func (export "divide") (param i32 i32) (result i32)
              (i32.div_u (i32.const 1) (i32.and (local.get 1) (i32.const 3)))))"#
        )
    };
    [
        program(
            "2 20",
            r#"(data (i32.const 100) "some data") (data (i32.const 69630) "across a border")"#,
            "10 100",
            "",
        ),
        program("1 2", "", "0 20", "(global (mut i32) (i32.const 1))"),
        program("0 5", "", "50 50", ""),
        program(
            "6 30",
            r#"(data (i32.const 393000) "at the end")"#,
            "1 1000",
            &"(global (mut i64) (i64.const 3))".repeat(600),
        ),
    ]
}

const GUEST_OPS: [&str; 15] = [
    "store",
    "load",
    "fill",
    "copy",
    "init",
    "drop",
    "grow",
    "table-set",
    "table-grow",
    "table-init",
    "elem-drop",
    "global",
    "overflow",
    "crash",
    "divide",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// One operation, by its numbers: those of guests, and of the host.
#[derive(Debug, Clone, Copy)]
struct Op {
    kind: u64,
    at: u64,
    value: u64,
}

impl Op {
    fn random(random: &mut Random) -> Op {
        let at = if random.below(20) == 0 { random.below(1 << 32) } else { random.below(420_000) };
        Op { kind: random.below(GUEST_OPS.len() as u64 + 5), at, value: random.below(1 << 20) }
    }

    /// Does it, and says everything that came of it.
    fn perform(self, instance: &mut Instance<()>) -> String {
        let Op { kind, at, value } = self;
        if let Some(name) = GUEST_OPS.get(kind as usize) {
            let Some(Extern::Func(func)) = instance.export(name) else { panic!("no `{name}`") };
            let params = [Val::I32(at as i32), Val::I32(value as i32)];
            return told(func.call_dynamic(instance, &params).map(|values| format!("{values:?}")));
        }
        let item = |instance: &mut Instance<()>, name: &str| instance.export(name).expect("an export");
        match (kind - GUEST_OPS.len() as u64, item(instance, "memory"), item(instance, "table"), item(instance, "g")) {
            (0, Extern::Memory(memory), ..) => {
                told(memory.write(instance, at, &vec![value as u8; (value % 7000) as usize]).map(|()| String::new()))
            }
            (1, Extern::Memory(memory), ..) => told(memory.grow(instance, value % 3).map(|old| old.to_string())),
            (2, _, Extern::Table(table), _) => {
                told(table.set(instance, at % 60, Val::FuncRef(None)).map(|()| String::new()))
            }
            (3, _, Extern::Table(table), _) => {
                told(table.grow(instance, value % 8, Val::FuncRef(None)).map(|old| old.to_string()))
            }
            (_, _, _, Extern::Global(global)) => {
                told(global.set(instance, Val::I64(value as i64)).map(|()| String::new()))
            }
            other => panic!("exports of other kinds: {other:?}"),
        }
    }
}

fn told(outcome: Result<String, Error>) -> String {
    outcome.unwrap_or_else(|error| format!("{error:?}"))
}

/// An instance and its oracle.
struct Pair {
    program: usize,
    pooled: Instance<()>,
    oracle: Instance<()>,
    done: Vec<Op>,
}

impl Pair {
    #[track_caller]
    fn compare(&mut self) {
        let same = observe(&mut self.pooled) == observe(&mut self.oracle);
        assert!(same, "program {} differs from its oracle after {:?}", self.program, self.done);
    }

    fn perform(&mut self, op: Op) {
        self.done.push(op);
        let (ours, theirs) = (op.perform(&mut self.pooled), op.perform(&mut self.oracle));
        assert_eq!(ours, theirs, "program {}: {:?}", self.program, self.done);
    }
}

struct World {
    pooled: Vec<Prepared<()>>,
    oracles: Vec<Prepared<()>>,
}

impl World {
    fn new(config: Config, pooling: Pooling) -> World {
        let of = |config: &Config| -> Vec<_> {
            let engine = Engine::new(config).expect("an engine");
            programs().iter().map(|text| prepared(&engine, text)).collect()
        };
        let allocation = Allocation::Pooling(pooling.verify(Verify::EveryReset));
        World { oracles: of(&config), pooled: of(&config.allocation(allocation)) }
    }

    /// Rounds of some operations each on one of a few instances at a time.
    fn history(&self, seed: u64, rounds: usize) {
        let mut random = Random(seed);
        let mut live: Vec<Pair> = Vec::new();
        for _ in 0..rounds {
            let program = random.below(4) as usize;
            if let Ok(pooled) = self.pooled[program].instantiate(()) {
                let oracle = self.oracles[program].instantiate(()).expect("an instance");
                let mut pair = Pair { program, pooled, oracle, done: Vec::new() };
                pair.compare();
                live.push(pair);
            }
            let chosen = random.below(live.len() as u64) as usize;
            (0..random.below(12)).for_each(|_| live[chosen].perform(Op::random(&mut random)));
            if live.len() > random.below(3) as usize {
                let mut ended = live.swap_remove(chosen);
                ended.compare();
            }
            if live.is_empty() {
                continue;
            }
        }
        live.iter_mut().for_each(Pair::compare);
    }
}

#[test]
fn random_histories_are_those_of_fresh_instances() {
    for (n, reset) in RESETS.into_iter().enumerate() {
        for bounds in [Bounds::Guard, Bounds::Explicit] {
            let sets = WorkingSets::new().aging_interval(3).max_openings(4);
            let pooling = Pooling::new(3).reset(reset).working_sets(sets);
            World::new(Config::new().bounds(bounds), pooling).history(40 + n as u64, 60);
        }
    }
}

#[test]
fn histories_on_several_threads_are_too() {
    let world = World::new(Config::new(), Pooling::new(12).placement(Placement::Random { seed: 9 }));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let world = &world;
            scope.spawn(move || world.history(1000 + thread, 40));
        }
    });
}
