//! Bindings that `bindgen!` writes, with components that import and export something of everything.

#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod accessors;
mod both_sides;
mod calc;
mod derives;
mod kitchen;
mod mismatches;
mod names;
mod shared;

use hatchery::component::Component;
use hatchery::{Allocation, Config, Engine};

fn engine() -> Engine {
    Engine::new(&Config::new().allocation(Allocation::Strict)).expect("an engine")
}

fn kitchen(engine: &Engine) -> Component {
    Component::new(engine, include_str!("kitchen.wat")).expect("compiles")
}
