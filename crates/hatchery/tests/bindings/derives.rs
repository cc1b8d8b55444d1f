//! What is derived means the same wherever it stands: beside constants with any name, and in a crate that has another name
//! for the runtime.

/// Another way to the runtime, as one that is built on it may have.
pub(crate) mod elsewhere {
    pub(crate) use ::hatchery as runtime;
}

/// Every name of a local variable that one may think of, as a constant, a static or a struct.
mod beside_constants {
    #![allow(non_upper_case_globals, non_camel_case_types, dead_code, reason = "they are there for their names")]

    use hatchery::component::{ComponentType, Lift, Lower};

    const cx: u8 = 1;
    const ty: u8 = 1;
    const flat: u8 = 1;
    const place: u8 = 1;
    const into: u8 = 1;
    const fields: u8 = 1;
    const bits: u8 = 1;
    const abi: u8 = 1;
    static cases: u8 = 1;
    static layout: u8 = 1;
    struct value;
    struct payload;

    #[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
    pub(super) struct Record {
        pub(super) text: String,
        pub(super) flags: Flags,
    }

    #[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
    #[component(flags)]
    pub(super) struct Flags {
        pub(super) one: bool,
        pub(super) two: bool,
    }

    #[derive(Debug, Clone, PartialEq, ComponentType, Lift, Lower)]
    pub(super) enum Variant {
        Nothing,
        Record(Record),
    }

    #[derive(ComponentType, Lift, Lower)]
    pub(super) enum Plain {
        One,
        Two,
    }
}

/// The same types, in a crate that does not have the runtime by its name.
mod without_the_name {
    use super::elsewhere::runtime::component::{ComponentType, Lift, Lower};

    /// What would be found by that name.
    mod hatchery {}

    #[derive(Debug, ComponentType, Lift, Lower)]
    #[component(hatchery_crate = super::elsewhere::runtime)]
    pub(super) struct Record<T> {
        pub(super) text: T,
        pub(super) flags: Flags,
    }

    #[derive(Debug, ComponentType, Lift, Lower)]
    #[component(flags, hatchery_crate = crate::derives::elsewhere::runtime)]
    pub(super) struct Flags {
        pub(super) one: bool,
        pub(super) two: bool,
    }

    #[derive(Debug, ComponentType, Lift, Lower)]
    #[component(hatchery_crate = super::elsewhere::runtime)]
    pub(super) enum Variant<T> {
        Nothing,
        Record(Record<T>),
    }
}

/// Bindings there.
mod bindings {
    hatchery::component::bindgen!({
        inline: "
            package test:elsewhere;
            interface types {
                record inner { text: string, %flags: set }
                flags set { one, two }
            }
            world elsewhere {
                use types.{inner};
                variant outer { nothing, %record(inner) }
                export same: func(value: outer) -> outer;
            }
        ",
        hatchery_crate: crate::derives::elsewhere::runtime,
    });
}

use beside_constants::{Flags, Plain, Record, Variant};
use bindings::test::elsewhere::types::{Inner, Set};
use bindings::{Elsewhere, Outer};
use hatchery::component::{Component, Linker};

/// Returns what it gets.
const SAME: &str = r#"
(component
  (import "test:elsewhere/types" (instance $types
    (type $set' (flags "one" "two"))
    (export "set" (type $set (eq $set')))
    (type $inner' (record (field "text" string) (field "flags" $set)))
    (export "inner" (type $inner (eq $inner')))))
  (alias export $types "inner" (type $inner))
  (import "inner" (type $named (eq $inner)))
  (type $outer' (variant (case "nothing") (case "record" $named)))
  (import "outer" (type $outer (eq $outer')))
  (core module $main
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "same") (param $case i32) (param $text i32) (param $length i32) (param $flags i32) (result i32)
      (i32.store (i32.const 16) (local.get $case))
      (i32.store (i32.const 20) (local.get $text))
      (i32.store (i32.const 24) (local.get $length))
      (i32.store (i32.const 28) (local.get $flags))
      (i32.const 16)))
  (core instance $main (instantiate $main))
  (func (export "same") (param "value" $outer) (result $outer)
    (canon lift (core func $main "same") (memory (core memory $main "memory")) (realloc (core func $main "realloc")))))
"#;

#[test]
fn what_is_derived_depends_on_no_name_around_it() {
    let engine = crate::engine();
    let component = Component::new(&engine, SAME).expect("compiles");
    let linker = Linker::<()>::new(&engine);
    let (prepared, world) = Elsewhere::prepare(&linker, &component).expect("fits");
    let mut instance = prepared.instantiate(()).expect("an instance");

    let bound = Outer::Record(Inner { text: "bound".into(), flags: Set { one: true, two: false } });
    assert_eq!(world.call_same(&mut instance, &bound).expect("returns"), bound);

    let same = prepared.func::<(&Variant,), (Variant,)>("same").expect("has these types");
    for value in
        [Variant::Nothing, Variant::Record(Record { text: "derived".into(), flags: Flags { one: false, two: true } })]
    {
        assert_eq!(same.call_lent(&mut instance, (&value,)).expect("returns"), (value,));
    }

    type Generic = without_the_name::Variant<String>;
    let same = prepared.func::<(&Generic,), (Generic,)>("same").expect("has these types");
    let flags = without_the_name::Flags { one: true, two: true };
    let value = Generic::Record(without_the_name::Record { text: "elsewhere".to_owned(), flags });
    let (returned,) = same.call_lent(&mut instance, (&value,)).expect("returns");
    assert_eq!(format!("{returned:?}"), format!("{value:?}"));
    assert_ne!(format!("{returned:?}"), format!("{:?}", Generic::Nothing));

    let error = prepared.func::<(Plain,), (Plain,)>("same").unwrap_err();
    assert!(error.to_string().contains("enum"), "{error}");
}
