//! Resource types: whose they are, and which are the same.

use super::{bound_func, export, plan, type_of};
use crate::plan::{ComponentInstanceId, CoreFunc, Export, ResourceDef, TreePlan};
use crate::types::{ResourceId, ValueType};

/// Defines `r`, with a constructor.
const MAKER: &str = r#"(component $Maker
    (core module $M (func (export "dtor") (param i32)))
    (core instance $m (instantiate $M))
    (type $r (resource (rep i32) (dtor (core func $m "dtor"))))
    (core func $new (canon resource.new $r))
    (export $s "r" (type $r))
    (func (export "make") (param "x" u32) (result (own $s)) (canon lift (core func $new))))"#;

fn resource(plan: &TreePlan, path: &[&str]) -> ResourceId {
    let Export::Resource(resource) = export(plan, path) else { panic!("{path:?} is no resource type") };
    *resource
}

#[test]
fn each_instantiation_has_a_type_of_its_own() {
    let plan = plan(&format!(
        r#"(component {MAKER}
            (instance $a (instantiate $Maker))
            (instance $b (instantiate $Maker))
            (export "a" (instance $a)) (export "b" (instance $b)))"#
    ));
    let (a, b) = (resource(&plan, &["a", "r"]), resource(&plan, &["b", "r"]));
    assert_ne!(a, b);
    assert_eq!(type_of(&plan, &["a", "make"]).result, Some(ValueType::Own(a)));
    assert_eq!(type_of(&plan, &["b", "make"]).result, Some(ValueType::Own(b)));
    for (resource, owner, instance) in [(a, 1, 0), (b, 2, 1)] {
        let ResourceDef::Guest { component, dtor } = &plan.resources[resource.0 as usize] else {
            panic!("is a guest's")
        };
        assert_eq!(*component, ComponentInstanceId(owner));
        let CoreFunc::Export(dtor) = &plan.core_funcs[dtor.expect("has one").0 as usize] else {
            panic!("is an export")
        };
        assert_eq!((dtor.instance.0, &*dtor.name), (instance, "dtor"));
    }
}

#[test]
fn a_sibling_uses_the_type_that_it_was_given() {
    let plan = plan(&format!(
        r#"(component {MAKER}
            (component $User
                (import "maker" (instance $maker
                    (export "r" (type $r (sub resource)))
                    (export "make" (func (param "x" u32) (result (own $r))))))
                (alias export $maker "r" (type $r))
                (core func $drop (canon resource.drop $r))
                (core func $make (canon lower (func $maker "make")))
                (core module $M
                    (import "r" "drop" (func (param i32))) (import "r" "make" (func (param i32) (result i32)))
                    (func (export "take") (param i32)))
                (core instance $m (instantiate $M
                    (with "r" (instance (export "drop" (func $drop)) (export "make" (func $make))))))
                (func (export "take") (param "r" (borrow $r)) (canon lift (core func $m "take"))))
            (instance $a (instantiate $Maker))
            (instance $user (instantiate $User (with "maker" (instance $a))))
            (export "a" (instance $a))
            (export "take" (func $user "take")))"#
    ));
    let r = resource(&plan, &["a", "r"]);
    let drop = CoreFunc::ResourceDrop { resource: r, component: ComponentInstanceId(2) };
    assert_eq!(bound_func(&plan, 1, "r", "drop"), &drop);
    assert_eq!(type_of(&plan, &["take"]).params, [("r".into(), ValueType::Borrow(r))]);
    assert_eq!(plan.resources.len(), 1);
}

#[test]
fn a_type_under_two_names_is_one_type() {
    let plan = plan(
        r#"(component
            (component $C
                (type $r (resource (rep i32)))
                (export $a "a" (type $r))
                (export "b" (type $a)))
            (instance $c (instantiate $C))
            (export "c" (instance $c)))"#,
    );
    assert_eq!(resource(&plan, &["c", "a"]), resource(&plan, &["c", "b"]));
}

#[test]
fn a_type_argument_replaces_the_import() {
    let plan = plan(
        r#"(component
            (import "host-r" (type $r (sub resource)))
            (component $C
                (import "x" (type $x (sub resource)))
                (import "y" (type $y (eq $x)))
                (core func $drop (canon resource.drop $y))
                (core module $M (import "r" "drop" (func (param i32))))
                (core instance (instantiate $M (with "r" (instance (export "drop" (func $drop)))))))
            (instance (instantiate $C (with "x" (type $r)) (with "y" (type $r)))))"#,
    );
    let host = ResourceDef::Host { interface: None, name: "host-r".into() };
    assert_eq!(plan.resources, [host]);
    let drop = CoreFunc::ResourceDrop { resource: ResourceId(0), component: ComponentInstanceId(1) };
    assert_eq!(bound_func(&plan, 0, "r", "drop"), &drop);
}

#[test]
fn built_ins_belong_to_the_component_instance_that_defines_them() {
    let plan = plan(
        r#"(component
            (component $C
                (type $r (resource (rep i32)))
                (core func $new (canon resource.new $r))
                (core func $rep (canon resource.rep $r))
                (core module $M
                    (import "r" "new" (func (param i32) (result i32)))
                    (import "r" "rep" (func (param i32) (result i32))))
                (core instance (instantiate $M
                    (with "r" (instance (export "new" (func $new)) (export "rep" (func $rep)))))))
            (instance (instantiate $C))
            (instance (instantiate $C)))"#,
    );
    for (instance, component) in [(0, ComponentInstanceId(1)), (1, ComponentInstanceId(2))] {
        let resource = ResourceId(instance as u32);
        assert_eq!(bound_func(&plan, instance, "r", "new"), &CoreFunc::ResourceNew { resource, component });
        assert_eq!(bound_func(&plan, instance, "r", "rep"), &CoreFunc::ResourceRep { resource, component });
    }
}
