//! Instances: nested, several of one component or module, made from exports; and what happens in which order.

use super::{binding, bound_func, export, lifted, options, plan};
use crate::plan::{
    ComponentInstanceId, CoreExport, CoreFunc, CoreFuncId, CoreInstanceId, CoreItem, Encoding, Export, Func, FuncId,
    Step,
};

const TWICE: &str = r#"(component
    (component $C
        (core module $M (func (export "f") (result i32) (i32.const 1)))
        (core instance $a (instantiate $M))
        (core instance $b (instantiate $M))
        (func (export "a") (result u32) (canon lift (core func $a "f")))
        (func (export "b") (result u32) (canon lift (core func $b "f"))))
    (instance $x (instantiate $C))
    (instance $y (instantiate $C))
    (export "x" (instance $x))
    (export "y" (instance $y)))"#;

#[test]
fn each_instantiation_has_core_instances_of_its_own_and_shares_the_module() {
    let plan = plan(TWICE);
    assert_eq!(plan.modules.len(), 1);
    assert_eq!(plan.core_instances.len(), 4);
    assert_eq!(plan.component_instances, [None, Some(ComponentInstanceId(0)), Some(ComponentInstanceId(0))]);
    assert_eq!(lifted(&plan, &["x", "a"]), (0, "f", 1));
    assert_eq!(lifted(&plan, &["x", "b"]), (1, "f", 1));
    assert_eq!(lifted(&plan, &["y", "a"]), (2, "f", 2));
    assert_eq!(lifted(&plan, &["y", "b"]), (3, "f", 2));
}

#[test]
fn core_instances_are_made_in_the_order_of_definition() {
    let plan = plan(TWICE);
    let steps: Vec<_> = (0..4).map(|instance| Step::Instantiate(CoreInstanceId(instance))).collect();
    assert_eq!(plan.steps, steps);
    let owners: Vec<_> = plan.core_instances.iter().map(|instance| instance.component.0).collect();
    assert_eq!(owners, [1, 1, 2, 2]);
}

#[test]
fn components_are_nested_as_deep_as_one_likes() {
    let plan = plan(
        r#"(component
            (component $A
                (component $B
                    (component $C
                        (core module $M (func (export "f")))
                        (core instance $m (instantiate $M))
                        (func (export "f") (canon lift (core func $m "f"))))
                    (instance $c (instantiate $C))
                    (export "c" (instance $c)))
                (instance $b (instantiate $B))
                (export "b" (instance $b)))
            (instance $a (instantiate $A))
            (export "a" (instance $a)))"#,
    );
    let parents: Vec<_> = plan.component_instances.iter().map(|parent| parent.map(|parent| parent.0)).collect();
    assert_eq!(parents, [None, Some(0), Some(1), Some(2)]);
    assert_eq!(lifted(&plan, &["a", "b", "c", "f"]), (0, "f", 3));
}

#[test]
fn core_instances_made_from_exports_are_what_is_in_them() {
    let plan = plan(
        r#"(component
            (core module $A
                (func (export "f")) (memory (export "m") 1) (table (export "t") 1 funcref)
                (global (export "g") i32 (i32.const 0)))
            (core module $B
                (import "env" "one" (func)) (import "env" "mem" (memory 1))
                (import "env" "tab" (table 1 funcref)) (import "env" "glo" (global i32)))
            (core instance $a (instantiate $A))
            (core instance (instantiate $B (with "env" (instance
                (export "one" (func $a "f")) (export "mem" (memory $a "m"))
                (export "tab" (table $a "t")) (export "glo" (global $a "g")))))))"#,
    );
    let of_a = |name: &str| CoreExport { instance: CoreInstanceId(0), name: name.into() };
    assert_eq!(plan.core_instances.len(), 2);
    assert_eq!(bound_func(&plan, 1, "env", "one"), &CoreFunc::Export(of_a("f")));
    for (import, export) in [("mem", "m"), ("tab", "t"), ("glo", "g")] {
        assert_eq!(binding(&plan, 1, "env", import), &CoreItem::Export(of_a(export)));
    }
}

#[test]
fn a_core_instance_is_a_whole_namespace() {
    let plan = plan(
        r#"(component
            (core module $A (func (export "f")) (func (export "g")))
            (core module $B (import "a" "g" (func)) (import "a" "f" (func)))
            (core instance $a (instantiate $A))
            (core instance (instantiate $B (with "a" (instance $a)))))"#,
    );
    let names: Vec<_> = plan.core_instances[1].imports.iter().map(|(_, name, _)| &**name).collect();
    assert_eq!(names, ["g", "f"]);
    let export = CoreExport { instance: CoreInstanceId(0), name: "g".into() };
    assert_eq!(bound_func(&plan, 1, "a", "g"), &CoreFunc::Export(export));
}

#[test]
fn functions_cross_siblings_as_what_they_are() {
    let plan = plan(
        r#"(component
            (component $A
                (core module $M (func (export "f") (param i32) (result i32) (local.get 0)))
                (core instance $m (instantiate $M))
                (func (export "f") (param "x" u32) (result u32) (canon lift (core func $m "f"))))
            (component $B
                (import "f" (func $f (param "x" u32) (result u32)))
                (core func $lowered (canon lower (func $f)))
                (core module $M (import "a" "f" (func (param i32) (result i32))))
                (core instance (instantiate $M (with "a" (instance (export "f" (func $lowered)))))))
            (instance $a (instantiate $A))
            (instance $b (instantiate $B (with "f" (func $a "f")))))"#,
    );
    let CoreFunc::Lower { func, component, .. } = bound_func(&plan, 1, "a", "f") else { panic!("is not lowered") };
    assert_eq!(component.0, 2);
    let Func::Lift { component, .. } = &plan.funcs[func.0 as usize] else { panic!("is not lifted") };
    assert_eq!(component.0, 1);
}

#[test]
fn instances_made_from_exports_can_be_given_and_exported() {
    let plan = plan(
        r#"(component
            (core module $M (func (export "f")))
            (core instance $m (instantiate $M))
            (func $f (canon lift (core func $m "f")))
            (instance $made (export "g" (func $f)))
            (component $C
                (import "i" (instance $i (export "g" (func))))
                (export "j" (instance $i)))
            (instance $c (instantiate $C (with "i" (instance $made))))
            (export "k" (instance $c)))"#,
    );
    assert_eq!(export(&plan, &["k", "j", "g"]), &Export::Func(FuncId(0)));
    assert_eq!(plan.component_instances.len(), 2);
}

#[test]
fn canonical_options_are_those_of_the_definition() {
    let plan = plan(
        r#"(component
            (core module $M
                (memory (export "mem") 1)
                (func (export "f") (param i32 i32) (result i32) unreachable)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
                (func (export "post") (param i32)))
            (core instance $m (instantiate $M))
            (func (export "f") (param "s" string) (result string) (canon lift (core func $m "f")
                string-encoding=latin1+utf16 (memory (core memory $m "mem")) (realloc (core func $m "realloc"))
                (post-return (core func $m "post")))))"#,
    );
    let options = options(&plan, &["f"]);
    let named = |func: Option<CoreFuncId>| match &plan.core_funcs[func.expect("is given").0 as usize] {
        CoreFunc::Export(export) => export.name.clone(),
        other => panic!("{other:?} is no export"),
    };
    assert_eq!(options.encoding, Encoding::CompactUtf16);
    assert_eq!(options.memory, Some(CoreExport { instance: CoreInstanceId(0), name: "mem".into() }));
    assert_eq!(&*named(options.realloc), "realloc");
    assert_eq!(&*named(options.post_return), "post");
}

#[test]
fn start_definitions_are_steps_between_those_before_and_after_them() {
    // The text format has none: the root's definitions up to the function, a start section, an empty core module and
    // an instance of it.
    let mut bytes = wat::parse_str(
        r#"(component
            (core module $M (func (export "f")))
            (core instance $m (instantiate $M))
            (func (canon lift (core func $m "f"))))"#,
    )
    .expect("is well-formed");
    bytes.extend([9, 3, 0, 0, 0]);
    bytes.extend([1, 8]);
    bytes.extend(*b"\0asm\x01\0\0\0");
    bytes.extend([2, 4, 1, 0, 1, 0]);
    let plan = crate::translate(&bytes).expect("is translated");
    let expected = [Step::Instantiate(CoreInstanceId(0)), Step::Start(FuncId(0)), Step::Instantiate(CoreInstanceId(1))];
    assert_eq!(plan.steps, expected);
}
