//! Outer aliases of every kind, from several levels below, and aliases of exports.

use super::{lifted, plan, type_of};
use crate::types::{TypeDef, ValueType};

#[test]
fn an_outer_core_module_is_the_same_module() {
    let plan = plan(
        r#"(component
            (core module $M (func (export "f")))
            (component $A
                (component $B
                    (alias outer 2 0 (core module $N))
                    (core instance $n (instantiate $N))
                    (func (export "f") (canon lift (core func $n "f"))))
                (instance $b (instantiate $B))
                (export "b" (instance $b)))
            (instance $a (instantiate $A))
            (core instance $m (instantiate $M))
            (func (export "f") (canon lift (core func $m "f")))
            (export "a" (instance $a)))"#,
    );
    assert_eq!(plan.modules.len(), 1);
    assert_eq!(lifted(&plan, &["a", "b", "f"]), (0, "f", 2));
    assert_eq!(lifted(&plan, &["f"]), (1, "f", 0));
}

#[test]
fn an_outer_type_is_what_it_is_there() {
    let plan = plan(
        r#"(component
            (type $t (list u8))
            (component $A
                (component $B
                    (alias outer 2 $t (type $u))
                    (core module $M
                        (memory (export "m") 1)
                        (func (export "f") (result i32) unreachable))
                    (core instance $m (instantiate $M))
                    (func (export "f") (result $u) (canon lift (core func $m "f") (memory (core memory $m "m")))))
                (instance $b (instantiate $B))
                (export "f" (func $b "f")))
            (instance $a (instantiate $A))
            (export "f" (func $a "f")))"#,
    );
    let Some(ValueType::Def(result)) = type_of(&plan, &["f"]).result else { panic!("the result has parts") };
    assert_eq!(plan.types.get(result), Some(&TypeDef::List(ValueType::U8)));
}

#[test]
fn an_outer_component_sees_what_was_around_its_definition() {
    // `$C` is instantiated deep below, and its own outer alias still leads to the module beside it.
    let plan = plan(
        r#"(component
            (component $Outer
                (core module $M (func (export "deep")))
                (component $C
                    (alias outer 1 0 (core module $N))
                    (core instance $n (instantiate $N))
                    (func (export "f") (canon lift (core func $n "deep"))))
                (component $D
                    (core module (func (export "shallow")))
                    (alias outer 1 $C (component $E))
                    (instance $e (instantiate $E))
                    (export "e" (instance $e)))
                (instance $d (instantiate $D))
                (export "d" (instance $d)))
            (instance $o (instantiate $Outer))
            (export "o" (instance $o)))"#,
    );
    assert_eq!(lifted(&plan, &["o", "d", "e", "f"]), (0, "deep", 3));
}

#[test]
fn components_and_modules_are_given_and_exported_with_what_they_close_over() {
    let plan = plan(
        r#"(component
            (component $Maker
                (core module $M (func (export "f")))
                (component $C
                    (alias outer 1 $M (core module $N))
                    (core instance $n (instantiate $N))
                    (func (export "f") (canon lift (core func $n "f"))))
                (export "c" (component $C))
                (export "m" (core module $M)))
            (component $User
                (import "c" (component $C (export "f" (func))))
                (import "m" (core module $M (export "f" (func))))
                (instance $c (instantiate $C))
                (core instance $m (instantiate $M))
                (func (export "mine") (canon lift (core func $m "f")))
                (export "c" (instance $c)))
            (instance $maker (instantiate $Maker))
            (instance $user (instantiate $User
                (with "c" (component $maker "c")) (with "m" (core module $maker "m"))))
            (export "u" (instance $user)))"#,
    );
    assert_eq!(plan.modules.len(), 1);
    assert_eq!(lifted(&plan, &["u", "c", "f"]), (0, "f", 3));
    assert_eq!(lifted(&plan, &["u", "mine"]), (1, "f", 2));
}

#[test]
fn an_alias_of_the_own_component_is_an_outer_one_too() {
    let plan = plan(
        r#"(component
            (core module $M (func (export "f")))
            (alias outer 0 $M (core module $N))
            (core instance $n (instantiate $N))
            (func (export "f") (canon lift (core func $n "f"))))"#,
    );
    assert_eq!(lifted(&plan, &["f"]), (0, "f", 0));
}
