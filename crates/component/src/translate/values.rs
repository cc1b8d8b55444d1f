//! Where a component uses first-class values, which come with `start` definitions and are not supported.

use super::decode::Definition;
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentType, ComponentTypeDeclaration,
    ComponentTypeRef, InstanceTypeDeclaration,
};

/// What of `definition` is, takes or gives a value.
pub(super) fn used_by(definition: &Definition<'_>) -> Option<&'static str> {
    match definition {
        Definition::Import(import) => is_type(import.ty).then_some("an import is a value"),
        Definition::Export(export) => is_kind(export.kind).then_some("an export is a value"),
        Definition::Alias(alias) => is_alias(alias).then_some("an alias names a value"),
        Definition::Instance(instance) => in_instance(instance).then_some("an instance has a value"),
        Definition::Type(ty) => in_type(ty).then_some("a type has a value"),
        Definition::Start(start) => {
            let values = start.results > 0 || !start.arguments.is_empty();
            values.then_some("a start definition has arguments or results")
        }
        Definition::Module(_) | Definition::CoreInstance(_) | Definition::Component(_) | Definition::Canon(_) => None,
    }
}

fn is_kind(kind: ComponentExternalKind) -> bool {
    kind == ComponentExternalKind::Value
}

fn is_type(ty: ComponentTypeRef) -> bool {
    is_kind(ty.kind())
}

fn is_alias(alias: &ComponentAlias<'_>) -> bool {
    matches!(alias, ComponentAlias::InstanceExport { kind, .. } if is_kind(*kind))
}

fn in_instance(instance: &ComponentInstance<'_>) -> bool {
    match instance {
        ComponentInstance::Instantiate { args, .. } => args.iter().any(|arg| is_kind(arg.kind)),
        ComponentInstance::FromExports(exports) => exports.iter().any(|export| is_kind(export.kind)),
    }
}

/// Types are nested no deeper than the validator allows.
fn in_type(ty: &ComponentType<'_>) -> bool {
    match ty {
        ComponentType::Instance(declarations) => declarations.iter().any(in_declaration),
        ComponentType::Component(declarations) => declarations.iter().any(|declaration| match declaration {
            ComponentTypeDeclaration::Import(import) => is_type(import.ty),
            ComponentTypeDeclaration::Export { ty, .. } => is_type(*ty),
            ComponentTypeDeclaration::Alias(alias) => is_alias(alias),
            ComponentTypeDeclaration::Type(ty) => in_type(ty),
            ComponentTypeDeclaration::CoreType(_) => false,
        }),
        ComponentType::Defined(_) | ComponentType::Func(_) | ComponentType::Resource { .. } => false,
    }
}

fn in_declaration(declaration: &InstanceTypeDeclaration<'_>) -> bool {
    match declaration {
        InstanceTypeDeclaration::Export { ty, .. } => is_type(*ty),
        InstanceTypeDeclaration::Alias(alias) => is_alias(alias),
        InstanceTypeDeclaration::Type(ty) => in_type(ty),
        InstanceTypeDeclaration::CoreType(_) => false,
    }
}
