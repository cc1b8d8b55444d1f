//! Which exported function of a component a name means.
//!
//! A function is named alone where that is enough, and behind its interface otherwise: `interface.func`, or with `#` or `/`
//! between them. An interface is named in full, without its version, or without its package. A version may also stand
//! at the end, as `namespace:package/interface.func@1.0.0`.

use anyhow::bail;
use hatchery::component::{Component, ExportedItem, Exports, FuncType};
use std::fmt;

/// An exported function.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    /// The names that lead to it: those of the instances around it, and its own.
    pub(crate) path: Vec<String>,
    pub(crate) ty: FuncType,
}

impl Export {
    /// The path as the face takes it in one string.
    pub(crate) fn joined(&self) -> String {
        self.path.join("#")
    }

    fn name(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    fn interface(&self) -> Option<&str> {
        match &self.path[..] {
            [interface, _] => Some(interface),
            _ => None,
        }
    }

    /// Whether this is one of its names; that it is its own alone is not enough.
    fn is_called(&self, text: &str) -> bool {
        let behind_interface = |text: &str, version: Option<&str>| {
            let interface = text.strip_suffix(self.name()).and_then(|rest| rest.strip_suffix(['.', '#', '/']));
            interface.zip(self.interface()).is_some_and(|(spelled, interface)| spells(spelled, version, interface))
        };
        let version_last = text.rsplit_once('@').is_some_and(|(text, version)| behind_interface(text, Some(version)));
        self.joined() == text || behind_interface(text, None) || version_last
    }
}

/// The name and its parameters, as a call of it is written.
impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ty = self.ty.to_string();
        write!(f, "{}{}", self.path.join("."), ty.strip_prefix("func").unwrap_or(&ty))
    }
}

/// Whether an interface can be named like this, with the version that stands elsewhere if there is one.
fn spells(text: &str, version: Option<&str>, interface: &str) -> bool {
    let (path, its_version) = interface.split_once('@').map_or((interface, None), |(path, v)| (path, Some(v)));
    let label = path.rsplit_once('/').map_or(path, |(_, label)| label);
    match version {
        Some(version) => Some(version) == its_version && (text == path || text == label),
        None => text == interface || text == path || text == label,
    }
}

/// All functions that a component exports, in its order.
pub(crate) fn functions(component: &Component) -> Vec<Export> {
    fn collect(exports: Exports<'_>, path: &[String], into: &mut Vec<Export>) {
        for (name, item) in exports.iter() {
            let path = [path, &[name.to_owned()]].concat();
            match item {
                ExportedItem::Func(ty) => into.push(Export { path, ty }),
                ExportedItem::Instance(exports) => collect(exports, &path, into),
                _ => {}
            }
        }
    }
    let mut all = Vec::new();
    collect(component.exports(), &[], &mut all);
    all
}

/// The function with this name.
///
/// # Errors
///
/// When there is none, or several; the message has those that there are.
pub(crate) fn find(component: &Component, text: &str) -> anyhow::Result<Export> {
    let all = functions(component);
    if let Some(exact) = all.iter().find(|export| export.joined() == text) {
        return Ok(exact.clone());
    }
    let named: Vec<&Export> = all.iter().filter(|export| export.is_called(text) || export.name() == text).collect();
    match named[..] {
        [one] => Ok(one.clone()),
        [] => match compatible(component, text) {
            Some(export) => Ok(export),
            None => {
                bail!("there is no exported function `{text}`; there are: {}", list(&all.iter().collect::<Vec<_>>()))
            }
        },
        _ => bail!("`{text}` can mean several functions; name its interface, too: {}", list(&named)),
    }
}

/// A function of an interface that is named in full with another version, which the component's is compatible with.
fn compatible(component: &Component, text: &str) -> Option<Export> {
    let (interface, name) = text.rsplit_once(['#', '.', '/'])?;
    let ExportedItem::Instance(exports) = component.exports().get(interface)? else { return None };
    let ExportedItem::Func(ty) = exports.get(name)? else { return None };
    Some(Export { path: vec![interface.to_owned(), name.to_owned()], ty })
}

fn list(exports: &[&Export]) -> String {
    const MOST: usize = 10;
    let names: Vec<_> = exports.iter().take(MOST).map(|export| format!("`{export}`")).collect();
    match (names.is_empty(), exports.len().saturating_sub(MOST)) {
        (true, _) => "none".into(),
        (_, 0) => names.join(", "),
        (_, more) => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery::{Config, Engine};

    /// A component with functions of these paths: interface (or nothing) and name.
    fn component(functions: &[(&str, &str)]) -> Component {
        let mut text = String::from(
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
               (func $f (canon lift (core func $i "f")))"#,
        );
        for (interface, name) in functions {
            text += &match *interface {
                "" => format!("(export \"{name}\" (func $f))"),
                _ => format!("(instance $x{0} (export \"{name}\" (func $f)))", text.len()),
            };
            if !interface.is_empty() {
                let number = text.rsplit_once("(instance $x").and_then(|(_, rest)| rest.split(' ').next());
                text += &format!("(export \"{interface}\" (instance $x{}))", number.unwrap_or_default());
            }
        }
        let engine = Engine::new(&Config::new()).expect("an engine");
        Component::new(&engine, text + ")").expect("compiles")
    }

    fn found(component: &Component, text: &str) -> String {
        find(component, text).map_or_else(|error| format!("error: {error}"), |export| export.joined())
    }

    #[test]
    fn functions_are_found_by_each_of_their_names() {
        let component = component(&[("", "alone"), ("ns:pkg/calc@1.2.0", "add-one"), ("plain", "alone")]);
        for text in [
            "add-one",
            "calc.add-one",
            "calc#add-one",
            "calc/add-one",
            "ns:pkg/calc.add-one",
            "ns:pkg/calc@1.2.0.add-one",
            "ns:pkg/calc@1.2.0#add-one",
            "ns:pkg/calc@1.2.0/add-one",
            "ns:pkg/calc.add-one@1.2.0",
            "calc.add-one@1.2.0",
        ] {
            assert_eq!(found(&component, text), "ns:pkg/calc@1.2.0#add-one", "{text}");
        }
        assert_eq!(found(&component, "ns:pkg/calc@1.0.0.add-one"), "ns:pkg/calc@1.0.0#add-one");
        assert_eq!(found(&component, "alone"), "alone");
        assert_eq!(found(&component, "plain.alone"), "plain#alone");
        for text in ["", "one", "calc", "calc.", ".add-one", "pkg/calc.add-one", "ns:pkg/calc@2.0.0.add-one"] {
            assert!(found(&component, text).contains("there is no exported function"), "{text}");
        }
        assert!(found(&component, "x").contains("`alone()`, `ns:pkg/calc@1.2.0.add-one()`, `plain.alone()`"));
    }

    #[test]
    fn a_name_that_means_several_functions_is_refused() {
        let component = component(&[("a:b/one", "f"), ("a:b/two", "f"), ("c:d/two", "f")]);
        assert!(found(&component, "f").contains("`f` can mean several functions"));
        assert!(found(&component, "two.f").contains("`a:b/two.f()`, `c:d/two.f()`"));
        assert_eq!(found(&component, "one.f"), "a:b/one#f");
    }
}
