//! What a call costs; run with `--release -- --ignored --nocapture`.

use super::image::{Function, Guest, Recipe};
use crate::{HostContext, HostFunction};
use hatchery_alloc::OnDemand;
use hatchery_image::abi::RawVal;
use hatchery_image::{FuncType, ValType};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

fn nanoseconds(times: u32, mut run: impl FnMut()) -> f64 {
    (0..7)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_nanos() as f64 / f64::from(times)
        })
        .fold(f64::MAX, f64::min)
}

#[test]
#[ignore = "a measurement"]
#[expect(clippy::print_stdout, reason = "shows what was measured")]
fn calls() {
    let recipe = Recipe { imports: vec![FuncType::new([ValType::I64; 2], [ValType::I64])], ..Recipe::default() };
    let function =
        HostFunction::typed(|mut context: HostContext<'_, i64>, a: i64, b: i64| -> Result<i64, std::fmt::Error> {
            *context.data_mut() += 1;
            Ok(a + b)
        });
    let limits = crate::Limits::default();
    let guest = Guest::with(&recipe, vec![function], Arc::new(OnDemand::default()), limits);
    let mut instance = guest.instance(0);
    let (nop, repeat) = (guest.callee(Function::Nop), guest.callee(Function::Repeat));
    const TIMES: u32 = 1_000_000;
    let mut access = instance.access();
    let into = nanoseconds(TIMES, || {
        for _ in 0..TIMES {
            access.call(black_box(&nop), &mut []).expect("a call");
        }
    });
    let out = nanoseconds(TIMES, || {
        let mut values = [RawVal::from_i64(1), RawVal::from_i64(i64::from(TIMES))];
        access.call(&repeat, &mut values).expect("a call");
    });
    let cycle = nanoseconds(1000, || {
        for _ in 0..1000 {
            let mut instance = guest.instance(0);
            instance.access().call(&nop, &mut []).expect("a call");
        }
    });
    println!("host to guest {into:.1} ns, guest to host {out:.1} ns, on-demand cycle {cycle:.0} ns");
}
