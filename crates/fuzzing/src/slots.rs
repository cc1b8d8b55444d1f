//! Whether the slots of a pool come back.

use hatchery::Engine;

/// For an engine of which there are no instances any more.
///
/// # Panics
///
/// When slots of its pool are in use nevertheless, or in an unknown state.
pub(crate) fn all_came_back(engine: &Engine) {
    let Some(metrics) = engine.pool_metrics() else { return };
    assert_eq!((metrics.live, metrics.withdrawn), (0, 0), "a slot is lost: {metrics:?}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery::{Allocation, Config, Linker, Module, Pooling};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn a_slot_that_does_not_come_back_is_noticed() {
        let config = Config::new().allocation(Allocation::Pooling(Pooling::new(1)));
        let engine = Engine::new(&config).expect("a pool");
        let module = Module::new(&engine, "(module)").expect("a module");
        let instance = Linker::new(&engine).prepare(&module).expect("no imports").instantiate(()).expect("a slot");
        assert!(catch_unwind(AssertUnwindSafe(|| all_came_back(&engine))).is_err(), "it is in use");
        drop(instance);
        all_came_back(&engine);
    }
}
