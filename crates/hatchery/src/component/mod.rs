//! Components: interfaces with types of values, checked once, called without a dynamic value in between.
//!
//! A [`Component`] is compiled as a module is. A [`Linker`] has host functions by interface and name; [`Linker::prepare`]
//! finds what the component imports, checks all types, and gives a [`Prepared`] component, of which instances are made.
//!
//! ```no_run
//! use hatchery::component::{Component, Linker};
//! use hatchery::{Config, Engine};
//!
//! let engine = Engine::new(&Config::new())?;
//! let component = Component::new(&engine, std::fs::read("greeter.wasm").expect("a file"))?;
//!
//! let mut linker = Linker::<u32>::new(&engine);
//! linker.instance("example:host/log@1.0.0")?.func("line", |mut caller, (text,): (String,)| {
//!     *caller.data_mut() += text.len() as u32;
//!     Ok(())
//! })?;
//!
//! let prepared = linker.prepare(&component)?;
//! let greet = prepared.func::<(&str,), (String,)>(("example:greeter/greet@1.2.0", "greet"))?;
//! let mut instance = prepared.instantiate(0)?;
//! println!("{}", greet.call(&mut instance, ("world",))?.0);
//! # Ok::<(), hatchery::Error>(())
//! ```
//!
//! # Bindings from WIT
//!
//! [`bindgen!`](bindgen) reads a WIT package and writes what a host needs for one of its worlds: types, traits for
//! what the component imports, methods for what it exports.
//!
//! ```
//! use hatchery::component::{Component, Linker};
//! use hatchery::{Config, Engine};
//!
//! mod bindings {
//!     hatchery::component::bindgen!({
//!         inline: "
//!             package example:adder;
//!             interface log { seen: func(n: u32); }
//!             world adder { import log; export add: func(a: u32, b: u32) -> u32; }
//!         ",
//!     });
//! }
//!
//! struct Sum(u32);
//!
//! impl bindings::example::adder::log::Host for Sum {
//!     fn seen(&mut self, n: u32) {
//!         self.0 += n;
//!     }
//! }
//!
//! let engine = Engine::new(&Config::new())?;
//! let component = Component::new(&engine, r#"
//!     (component
//!       (import "example:adder/log" (instance $log (export "seen" (func (param "n" u32)))))
//!       (core func $seen (canon lower (func $log "seen")))
//!       (core module $m
//!         (import "log" "seen" (func $seen (param i32)))
//!         (func (export "add") (param i32 i32) (result i32)
//!           (call $seen (local.get 1))
//!           (i32.add (local.get 0) (local.get 1))))
//!       (core instance $i (instantiate $m (with "log" (instance (export "seen" (func $seen))))))
//!       (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $i "add"))))
//! "#)?;
//!
//! let mut linker = Linker::new(&engine);
//! bindings::Adder::add_to_linker(&mut linker, |sum: &mut Sum| sum)?;
//! // Types are checked here, those of imports and those of exports: once for all instances.
//! let (prepared, adder) = bindings::Adder::prepare(&linker, &component)?;
//! let mut instance = prepared.instantiate(Sum(0))?;
//! assert_eq!(adder.call_add(&mut instance, 1, 2)?, 3);
//! assert_eq!(instance.data().0, 2);
//! # Ok::<(), hatchery::Error>(())
//! ```
//!
//! # Types
//!
//! | component | Rust |
//! |---|---|
//! | `bool`, `s8`…`u64`, `f32`, `f64`, `char` | `bool`, `i8`…`u64`, `f32`, `f64`, `char` |
//! | `string` | [`String`], `&str`, `Box<str>`; [`WasmStr`] for arguments of host functions |
//! | `list<T>` | [`Vec<T>`], `&[T]`, `Box<[T]>`; [`WasmList<u8>`](WasmList) for `list<u8>` as an argument of host functions |
//! | `list<T, N>` | `[T; N]` |
//! | `map<K, V>` | [`HashMap`](std::collections::HashMap), [`BTreeMap`](std::collections::BTreeMap) |
//! | `tuple<…>` | tuples |
//! | `option<T>`, `result<T, E>` | [`Option`], [`Result`] |
//! | `own<R>`, `borrow<R>` of the host's | [`Resource<R>`] |
//! | `own<R>`, `borrow<R>` of the component's | [`ResourceAny`] |
//!
//! What is only known when the program runs is a [`Val`], and its type a [`Type`].
//!
//! # What a guest can do to its host
//!
//! All pointers, lengths, discriminants and characters that come from a guest are checked; what is wrong with them is a
//! trap. A guest can make its host allocate no more than [`Limits::max_lifted`](crate::Limits::max_lifted) bytes with one
//! call, counted as the host has what is passed: strings in UTF-8, maps as what they are made of and what they are. A
//! component that has trapped, or whose call ended because a host function failed, refuses every further call.

mod abi;
mod adapter;
mod caller;
mod compiled;
mod context;
mod description;
mod dynamic;
mod export_check;
mod exports;
mod flatten;
mod found;
mod func;
mod host;
mod instance;
mod layout;
mod linker;
mod lists;
mod maps;
mod mismatches;
mod names;
mod options;
mod passed;
mod prepared;
mod resource;
mod resource_any;
mod resource_table;
mod scalars;
mod snapshot;
mod source;
mod state;
mod strings;
#[cfg(test)]
mod tests;
mod traits;
mod tuples;
mod types;
mod val;
mod variants;
mod violation;
mod wit;
mod wit_text;

#[doc(hidden)]
pub mod macros;

pub use abi::Abi;
pub use adapter::Adapter;
pub use caller::Caller;
pub use compiled::Component;
pub use context::AsContext;
pub use exports::{ExportPath, ExportedItem, Exports};
pub use func::{Func, TypedFunc};
pub use hatchery_macros::{ComponentType, Lift, Lower, bindgen};
pub use instance::Instance;
pub use layout::TypeAbi;
pub use linker::{Linker, LinkerInstance};
pub use lists::WasmList;
pub use prepared::Prepared;
pub use resource::Resource;
pub use resource_any::ResourceAny;
pub use resource_table::{ResourceTable, ResourceTableError};
pub use source::ComponentSource;
pub use strings::WasmStr;
pub use traits::{ComponentType, Flat, FlatMut, Lift, Lower, Params, Place, Results, TypeCheck};
pub use types::{
    Case, EnumType, Field, FixedListType, FlagsType, FuncType, ListType, MapType, OptionType, RecordType, ResourceType,
    ResultType, TupleType, Type, VariantType,
};
pub use val::Val;
pub use wit::Wit;
