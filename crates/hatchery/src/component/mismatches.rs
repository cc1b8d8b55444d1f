//! Where a host and a component do not fit together, collected so that all of it is said at once.

use super::traits::{Params, Results, TypeCheck};
use super::types::{FuncType, Type};
use super::wit_text::WitText;
use crate::error::{Error, ErrorKind};

/// Most functions whose types a message has, and most exports that it says are missing.
const MOST: usize = 16;

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

/// What does not fit.
#[derive(Debug, Default)]
pub(crate) struct Mismatches {
    /// Imports that nothing is defined for, all of them.
    undefined: Vec<String>,
    /// What is not exported.
    unexported: Few,
    /// A sentence for each function that has another type.
    differing: Few,
}

impl Mismatches {
    /// Nothing is defined for an import.
    pub(crate) fn undefined(&mut self, import: String) {
        self.undefined.push(import);
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
            lines.push(format!("the component imports what is not defined: {}", self.undefined.join(", ")));
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
        mismatches.undefined("`b` `c`".into());
        mismatches.undefined("`d`".into());
        assert_eq!(
            message(mismatches),
            "host and component do not fit together:\n  \
             the component imports what is not defined: `b` `c`, `d`\n  \
             the component does not export `a`"
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
