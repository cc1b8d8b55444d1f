//! Where a host and a component do not fit together, collected so that all of it is said at once.

use super::names::import_name;
use super::traits::{Params, Results, TypeCheck};
use super::types::{FuncType, Type};
use super::wit_text::WitText;
use crate::error::{Error, ErrorKind};
use std::collections::HashMap;
use std::fmt;

/// Most functions whose types a message has, and most exports that it says are missing.
const MOST: usize = 16;

/// Most imports of one interface that a message names; more are counted.
const MOST_NAMED: usize = 3;

/// Whether parameters and results are those of a component's function.
pub(crate) fn fits<P: Params, R: Results>(ty: &FuncType, cx: &mut TypeCheck<'_>) -> bool {
    let params: Vec<Type> = ty.params().map(|(_, ty)| ty).collect();
    P::check_all(&params, cx) && R::check_result(ty.result().as_ref(), cx)
}

/// A function of the host by its parameters and results.
pub(crate) fn host_type<P: Params, R: Results>() -> String {
    WitText::of_function(|into| {
        P::describe_all(into, ["func(", ")"]);
        R::describe_result(into);
    })
}

/// What an import is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Function,
    Resource,
}

/// An import that nothing is defined for.
#[derive(Debug)]
struct Undefined {
    interface: Option<String>,
    name: String,
    kind: Kind,
}

impl fmt::Display for Undefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let article = if self.kind == Kind::Resource { "the resource " } else { "" };
        write!(f, "{article}{}", import_name(self.interface.as_deref(), &self.name))
    }
}

/// Imports in words, those of one interface together: all of them if they are few, or how many there are.
fn listed(undefined: &[Undefined]) -> String {
    let mut interfaces: Vec<(Option<&str>, Vec<&Undefined>)> = Vec::new();
    let mut known = HashMap::new();
    for import in undefined {
        let of = import.interface.as_deref();
        let at = *known.entry(of).or_insert(interfaces.len());
        match interfaces.get_mut(at) {
            Some((_, imports)) => imports.push(import),
            None => interfaces.push((of, vec![import])),
        }
    }
    let said = |(interface, imports): &(Option<&str>, Vec<&Undefined>)| match interface {
        Some(interface) if imports.len() > MOST_NAMED => format!("`{interface}` ({})", counted(imports)),
        _ => imports.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    interfaces.iter().map(said).collect::<Vec<_>>().join(", ")
}

/// How many functions and resources these are.
fn counted(imports: &[&Undefined]) -> String {
    let count = |kind| imports.iter().filter(|import| import.kind == kind).count();
    let words = [(count(Kind::Function), "function"), (count(Kind::Resource), "resource")];
    let word = |(count, word): (usize, &str)| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    words.into_iter().filter(|(count, _)| *count > 0).map(word).collect::<Vec<_>>().join(", ")
}

/// What does not fit.
#[derive(Debug, Default)]
pub(crate) struct Mismatches {
    /// Imports that nothing is defined for, all of them.
    undefined: Vec<Undefined>,
    /// What is not exported.
    unexported: Few,
    /// A sentence for each function that has another type.
    differing: Few,
}

impl Mismatches {
    /// Nothing is defined for an import.
    pub(crate) fn undefined(&mut self, interface: Option<&str>, name: &str, kind: Kind) {
        self.undefined.push(Undefined { interface: interface.map(str::to_owned), name: name.to_owned(), kind });
    }

    /// Something is not exported, which is said once.
    pub(crate) fn unexported(&mut self, export: &str) {
        self.unexported.add(export, || format!("`{export}`"));
    }

    /// A function of the component has another type than the host's.
    pub(crate) fn differs(&mut self, name: &str, component: &FuncType, host: impl FnOnce() -> String) {
        self.differing
            .add(name, || format!("{name} has another type: the component's is {component}, the host's is {}", host()));
    }

    /// Nothing, if all fits.
    ///
    /// # Errors
    ///
    /// One of this kind that says all that does not.
    pub(crate) fn finish(self, kind: ErrorKind) -> Result<(), Error> {
        let mut lines = Vec::new();
        if !self.undefined.is_empty() {
            lines.push(format!("the component imports what is not defined: {}", listed(&self.undefined)));
        }
        if !self.unexported.said.is_empty() {
            let rest = self.unexported.rest().map(|rest| format!(" and {rest} more")).unwrap_or_default();
            lines.push(format!("the component does not export {}{rest}", self.unexported.said.join(", ")));
        }
        let rest = self.differing.rest().map(|rest| format!("{rest} more functions have other types"));
        lines.extend(self.differing.said);
        lines.extend(rest);
        match &lines[..] {
            [] => Ok(()),
            [line] => Err(Error::message(kind, line.clone())),
            lines => {
                let lines = lines.join("\n  ");
                Err(Error::message(kind, format!("host and component do not fit together:\n  {lines}")))
            }
        }
    }
}

/// The first few of many sentences, and how many there are.
#[derive(Debug, Default)]
struct Few {
    said: Vec<String>,
    count: usize,
    /// What the last one is about.
    last: String,
}

impl Few {
    /// Adds a sentence about something, unless the last one was.
    fn add(&mut self, about: &str, sentence: impl FnOnce() -> String) {
        if self.last == about {
            return;
        }
        about.clone_into(&mut self.last);
        self.count += 1;
        if self.count <= MOST {
            self.said.push(sentence());
        }
    }

    /// How many there are beside those, if any.
    fn rest(&self) -> Option<usize> {
        Some(self.count - self.said.len()).filter(|rest| *rest > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mismatches: Mismatches) -> String {
        let error = mismatches.finish(ErrorKind::Link).expect_err("something does not fit");
        assert_eq!(error.kind(), ErrorKind::Link);
        error.to_string()
    }

    #[test]
    fn what_fits_is_no_error() {
        assert!(Mismatches::default().finish(ErrorKind::Link).is_ok());
    }

    #[test]
    fn one_thing_is_one_sentence() {
        let mut mismatches = Mismatches::default();
        mismatches.unexported("a");
        mismatches.unexported("a");
        assert_eq!(message(mismatches), "the component does not export `a`");
    }

    #[test]
    fn different_things_are_a_line_each() {
        let mut mismatches = Mismatches::default();
        mismatches.unexported("a");
        mismatches.undefined(Some("b"), "c", Kind::Function);
        mismatches.undefined(None, "d", Kind::Function);
        assert_eq!(
            message(mismatches),
            "host and component do not fit together:\n  \
             the component imports what is not defined: `b` `c`, `d`\n  \
             the component does not export `a`"
        );
    }

    #[test]
    fn many_imports_of_an_interface_are_counted() {
        let mut mismatches = Mismatches::default();
        mismatches.undefined(Some("few"), "a", Kind::Function);
        for name in ["f", "g", "h"] {
            mismatches.undefined(Some("many"), name, Kind::Function);
        }
        mismatches.undefined(None, "d", Kind::Function);
        mismatches.undefined(Some("few"), "r", Kind::Resource);
        mismatches.undefined(Some("many"), "r", Kind::Resource);
        assert_eq!(
            message(mismatches),
            "the component imports what is not defined: `few` `a`, the resource `few` `r`, `many` (3 functions, 1 \
             resource), `d`"
        );
    }

    #[test]
    fn of_many_things_some_are_counted() {
        let mut mismatches = Mismatches::default();
        (0..MOST + 3).for_each(|number| mismatches.unexported(&format!("e{number}")));
        let text = message(mismatches);
        assert!(text.ends_with("`e14`, `e15` and 3 more"), "{text}");
    }
}
