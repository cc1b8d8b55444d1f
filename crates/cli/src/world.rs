//! What a component imports and exports, as WIT writes it: lines for people, and the same as JSON.

use hatchery::component::{Component, ExportedItem, Exports};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// An import or an export: a function, or an interface with what is in it.
struct Item {
    name: String,
    what: What,
}

enum What {
    Func(String),
    Type(String),
    Resource,
    Interface(Vec<Item>),
}

/// What it imports. Functions of an interface are together, whatever is between them; resources are not shown, but by the types
/// that they are in.
fn imports(component: &Component) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (interface, name, ty) in component.imports() {
        let func = Item { name: name.to_owned(), what: What::Func(ty.to_string()) };
        let Some(interface) = interface else {
            items.push(func);
            continue;
        };
        let known = items.iter_mut().find(|item| item.name == interface && matches!(item.what, What::Interface(_)));
        match known {
            Some(Item { what: What::Interface(functions), .. }) => functions.push(func),
            _ => items.push(Item { name: interface.to_owned(), what: What::Interface(vec![func]) }),
        }
    }
    items
}

fn exports(exports: Exports<'_>) -> Vec<Item> {
    let item = |(name, item): (&str, ExportedItem<'_>)| {
        let what = match item {
            ExportedItem::Func(ty) => What::Func(ty.to_string()),
            ExportedItem::Instance(inner) => What::Interface(self::exports(inner)),
            ExportedItem::Type(ty) => What::Type(ty.to_string()),
            ExportedItem::Resource(_) => What::Resource,
            _ => return None,
        };
        Some(Item { name: name.to_owned(), what })
    };
    exports.iter().filter_map(item).collect()
}

/// Both as text, each line behind two spaces.
pub(crate) fn as_text(text: &mut String, component: &Component) -> std::fmt::Result {
    writeln!(text, "\nworld")?;
    for (word, items) in [("import ", imports(component)), ("export ", exports(component.exports()))] {
        items.iter().try_for_each(|item| write_item(text, item, word, 2))?;
    }
    Ok(())
}

fn write_item(text: &mut String, item: &Item, word: &str, indent: usize) -> std::fmt::Result {
    let name = &item.name;
    write!(text, "{:indent$}{word}", "")?;
    match &item.what {
        What::Func(ty) => writeln!(text, "{name}: {ty};"),
        What::Type(ty) => writeln!(text, "type {name} = {ty};"),
        What::Resource => writeln!(text, "resource {name};"),
        What::Interface(items) if items.is_empty() => writeln!(text, "{name} {{}}"),
        What::Interface(items) => {
            writeln!(text, "{name} {{")?;
            items.iter().try_for_each(|item| write_item(text, item, "", indent + 2))?;
            writeln!(text, "{:indent$}}}", "")
        }
    }
}

/// Both as JSON.
pub(crate) fn as_json(component: &Component) -> Value {
    json!({ "imports": json_of(&imports(component)), "exports": json_of(&exports(component.exports())) })
}

fn json_of(items: &[Item]) -> Value {
    let one = |item: &Item| match &item.what {
        What::Func(ty) => json!({ "name": item.name, "kind": "func", "type": ty }),
        What::Type(ty) => json!({ "name": item.name, "kind": "type", "type": ty }),
        What::Resource => json!({ "name": item.name, "kind": "resource" }),
        What::Interface(items) => json!({ "name": item.name, "kind": "interface", "items": json_of(items) }),
    };
    items.iter().map(one).collect()
}

/// The packages of WASI that the command has for components.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// The packages of WASI that a component imports functions of, and the command does not have.
pub(crate) fn absent(component: &Component) -> Vec<String> {
    let package = |interface: &str| Some(interface.strip_prefix("wasi:")?.split_once('/')?.0.to_owned());
    let packages = component.imports().filter_map(|(interface, ..)| package(interface?));
    let absent: BTreeSet<_> = packages.filter(|package| !PACKAGES.contains(&package.as_str())).collect();
    absent.into_iter().map(|package| format!("wasi:{package}")).collect()
}
