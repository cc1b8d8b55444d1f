//! What the root imports from its host and exports to it.

use super::{export, func, plan, refusal, type_of};
use crate::plan::{Export, Func, ResourceDef};
use crate::translate::TranslateError;
use crate::types::{ResourceId, TypeDef, ValueType};

#[test]
fn imported_instances_are_taken_apart() {
    let plan = plan(
        r#"(component
            (import "a:b/c@0.2.6" (instance $c
                (export "r" (type $r (sub resource)))
                (type $list (list (own $r)))
                (export "all" (func (result $list)))
                (export "inner" (instance
                    (alias outer 1 $r (type $s))
                    (export "t" (type $t (eq $s)))
                    (export "of" (func (param "x" (borrow $t))))))))
            (import "plain" (func))
            (export "all" (func $c "all"))
            (alias export $c "inner" (instance $inner))
            (export "of" (func $inner "of"))
            (export "d" (instance $c)))"#,
    );
    let imports: Vec<_> = plan.imports.iter().map(|import| (import.interface.as_deref(), &*import.name)).collect();
    assert_eq!(imports, [(Some("a:b/c@0.2.6"), "all"), (Some("a:b/c@0.2.6/inner"), "of"), (None, "plain")]);
    assert_eq!(plan.resources, [ResourceDef::Host { interface: Some("a:b/c@0.2.6".into()), name: "r".into() }]);
    let Some(ValueType::Def(list)) = type_of(&plan, &["all"]).result else { panic!("has parts") };
    assert_eq!(plan.types.get(list), Some(&TypeDef::List(ValueType::Own(ResourceId(0)))));
    assert_eq!(type_of(&plan, &["of"]).params, [("x".into(), ValueType::Borrow(ResourceId(0)))]);
    assert_eq!(plan.funcs[func(&plan, &["d", "inner", "of"]).0 as usize], Func::Import(1));
    assert_eq!(export(&plan, &["d", "inner", "t"]), &Export::Resource(ResourceId(0)));
}

#[test]
fn types_of_one_import_are_used_in_another() {
    let plan = plan(
        r#"(component
            (import "a" (instance $a (export "r" (type (sub resource)))))
            (alias export $a "r" (type $r))
            (import "b" (instance $b
                (alias outer 1 $r (type $s))
                (export "r" (type $t (eq $s)))
                (export "f" (func (param "x" (own $t))))))
            (export "f" (func $b "f")))"#,
    );
    assert_eq!(plan.resources.len(), 1);
    assert_eq!(type_of(&plan, &["f"]).params, [("x".into(), ValueType::Own(ResourceId(0)))]);
}

#[test]
fn a_type_imported_twice_is_two_types() {
    let plan = plan(
        r#"(component
            (type $i (instance (export "r" (type (sub resource)))))
            (import "a" (instance (type $i)))
            (import "b" (instance (type $i))))"#,
    );
    let named = |interface: &str| ResourceDef::Host { interface: Some(interface.into()), name: "r".into() };
    assert_eq!(plan.resources, [named("a"), named("b")]);
}

#[test]
fn types_are_exported_without_anything_behind_them() {
    let plan = plan(
        r#"(component
            (type $t (record (field "a" u8) (field "b" string)))
            (export $u "t" (type $t))
            (type $f (func (param "x" $u)))
            (export "f" (type $f))
            (type $g u32)
            (export "g" (type $g)))"#,
    );
    let Export::Type(ValueType::Def(record)) = export(&plan, &["t"]) else { panic!("has parts") };
    let fields = vec![("a".into(), ValueType::U8), ("b".into(), ValueType::String)];
    assert_eq!(plan.types.get(*record), Some(&TypeDef::Record(fields)));
    assert_eq!(export(&plan, &["f"]), &Export::TypeOnly);
    assert_eq!(export(&plan, &["g"]), &Export::Type(ValueType::U32));
}

#[test]
fn an_export_shows_no_more_than_its_type() {
    let plan = plan(
        r#"(component
            (core module $M (func (export "f")))
            (core instance $m (instantiate $M))
            (func $f (canon lift (core func $m "f")))
            (instance $i (export "shown" (func $f)) (export "hidden" (func $f)))
            (export "i" (instance $i) (instance (export "shown" (func)))))"#,
    );
    let Export::Instance(exports) = export(&plan, &["i"]) else { panic!("is an instance") };
    assert_eq!(exports.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["shown"]);
}

#[test]
fn code_is_exported_by_name_only() {
    let plan = plan(
        r#"(component
            (core module $M) (export "m" (core module $M))
            (component $C) (export "c" (component $C)))"#,
    );
    assert_eq!(export(&plan, &["m"]), &Export::Module);
    assert_eq!(export(&plan, &["c"]), &Export::Component);
    assert!(plan.modules.is_empty());
}

#[test]
fn imported_code_would_be_linked_at_run_time() {
    let module = refusal(r#"(component (import "m" (core module)))"#);
    assert_eq!(module, TranslateError::RunTimeLinking { sort: "core module", name: "m".into() });
    let component = refusal(r#"(component (import "i" (instance (export "c" (component)))))"#);
    assert_eq!(component, TranslateError::RunTimeLinking { sort: "component", name: "i/c".into() });
    assert!(module.to_string().contains("the core module `m`"), "{module}");
}
