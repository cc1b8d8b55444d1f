//! The components that call and are called: three texts, put together in three ways.

use super::{Shape, Way};

/// A component that is called; where a string or a list goes is always the same place.
const CALLED: &str = r#"
    (type $thing (resource (rep i32)))
    (core func $new (canon resource.new $thing))
    (core module $m
      (import "" "new" (func $new (param i32) (result i32)))
      (memory (export "memory") 4)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
      (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
      (func (export "length") (param i32 i32) (result i32) (local.get 1))
      (func (export "echo") (param i32 i32) (result i32)
        (i32.store (i32.const 16) (local.get 0))
        (i32.store (i32.const 20) (local.get 1))
        (i32.const 16))
      (func (export "post") (param i32))
      (func (export "value") (param i32) (result i32) (local.get 0))
      (func (export "make") (result i32) (call $new (i32.const 7))))
    (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
    (type $record (record (field "id" u32) (field "weight" f64) (field "kind" u8)))
    (export $r "record" (type $record))
    (export $t "thing" (type $thing))
    (func (export "inc") (param "x" u32) (result u32) (canon lift (core func $i "inc")))
    (func (export "length") (param "text" string) (result u32)
      (canon lift (core func $i "length") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
    (func (export "echo") (param "text" string) (result string)
      (canon lift (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))
        (post-return (core func $i "post"))))
    (func (export "count") (param "list" (list $r)) (result u32)
      (canon lift (core func $i "length") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
    (func (export "make") (result (own $t)) (canon lift (core func $i "make")))
    (func (export "value") (param "thing" (borrow $t)) (result u32) (canon lift (core func $i "value")))
"#;

/// What a component imports that calls.
const HOST: &str = r#"
    (import "bench:calls/host" (instance $called
      (type $record (record (field "id" u32) (field "weight" f64) (field "kind" u8)))
      (export "record" (type $r (eq $record)))
      (export "thing" (type $t (sub resource)))
      (export "inc" (func (param "x" u32) (result u32)))
      (export "length" (func (param "text" string) (result u32)))
      (export "echo" (func (param "text" string) (result string)))
      (export "count" (func (param "list" (list $r)) (result u32)))
      (export "make" (func (result (own $t))))
      (export "value" (func (param "thing" (borrow $t)) (result u32)))))
"#;

/// A component that calls the functions of `$called`, as often as it is told.
fn calling(shape: Shape) -> String {
    let (setup, call) = match shape {
        Shape::U32 => ("", "(call $inc (local.get $n))".to_owned()),
        Shape::Text(bytes) | Shape::OwnedText(bytes) => {
            ("", format!("(call $length (i32.const 65536) (i32.const {bytes}))"))
        }
        Shape::Echo(bytes) => {
            let call = format!("(call $echo (i32.const 1024) (i32.const {bytes}) (i32.const 16))");
            ("", format!("{call} (i32.load (i32.const 20))"))
        }
        Shape::Records(count) => ("", format!("(call $count (i32.const 65536) (i32.const {count}))")),
        Shape::Resource => ("(local.set $thing (call $make))", "(call $value (local.get $thing))".to_owned()),
    };
    format!(
        r#"
    (core module $libc
      (memory (export "memory") 4)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536)))
    (core instance $libc (instantiate $libc))
    (core func $inc (canon lower (func $called "inc")))
    (core func $length (canon lower (func $called "length") (memory (core memory $libc "memory"))))
    (core func $echo
      (canon lower (func $called "echo") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core func $count (canon lower (func $called "count") (memory (core memory $libc "memory"))))
    (core func $make (canon lower (func $called "make")))
    (core func $value (canon lower (func $called "value")))
    (core module $calling
      (import "libc" "memory" (memory 4))
      (import "called" "inc" (func $inc (param i32) (result i32)))
      (import "called" "length" (func $length (param i32 i32) (result i32)))
      (import "called" "echo" (func $echo (param i32 i32 i32)))
      (import "called" "count" (func $count (param i32 i32) (result i32)))
      (import "called" "make" (func $make (result i32)))
      (import "called" "value" (func $value (param i32) (result i32)))
      (func (export "run") (param $n i32) (result i32) (local $sum i32) (local $thing i32)
        {setup}
        (loop $again
          {call}
          (local.set $sum (i32.add (local.get $sum)))
          (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $sum)))
    (core instance $calling (instantiate $calling
      (with "libc" (instance $libc))
      (with "called" (instance
        (export "inc" (func $inc))
        (export "length" (func $length))
        (export "echo" (func $echo))
        (export "count" (func $count))
        (export "make" (func $make))
        (export "value" (func $value))))))
    (func (export "run") (param "n" u32) (result u32) (canon lift (core func $calling "run")))
"#
    )
}

/// The component for calls of this shape this way.
pub(super) fn text(way: Way, shape: Shape) -> String {
    match way {
        Way::In => format!("(component {CALLED})"),
        Way::Out => format!("(component {HOST} {})", calling(shape)),
        // Neither contains the other, as no component may call one that it contains.
        Way::Across => format!(
            r#"(component
                 (component $called {CALLED})
                 (component $calling {HOST} {})
                 (instance $a (instantiate $called))
                 (instance $b (instantiate $calling (with "bench:calls/host" (instance $a))))
                 (export "run" (func $b "run")))"#,
            calling(shape)
        ),
    }
}
