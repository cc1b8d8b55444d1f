//! Which directives of a script are about components, and which about core modules.
//!
//! A definition says so itself; everything else is about the kind of what it names, or of the latest there is. The two have
//! nothing to do with each other, so that one script may have both: each is read, and carried out, as a script of its own.

use std::collections::HashMap;
use wast::token::Id;
use wast::{QuoteWat, WastDirective, WastExecute, Wat};

/// What a directive is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Module,
    Component,
}

impl Kind {
    fn of(wat: &Wat<'_>) -> Kind {
        if matches!(wat, Wat::Component(_)) { Kind::Component } else { Kind::Module }
    }

    fn of_quoted(wat: &QuoteWat<'_>) -> Kind {
        match wat {
            QuoteWat::Wat(wat) => Kind::of(wat),
            QuoteWat::QuoteModule(..) => Kind::Module,
            QuoteWat::QuoteComponent(..) => Kind::Component,
        }
    }
}

/// Definitions or instances that there are so far.
#[derive(Debug, Default)]
struct Known {
    latest: Kind,
    named: HashMap<String, Kind>,
}

impl Known {
    fn add(&mut self, name: Option<Id<'_>>, kind: Kind) {
        self.latest = kind;
        self.named.extend(name.map(|name| (name.name().to_owned(), kind)));
    }

    /// Of the one with this name, or the latest.
    fn get(&self, name: Option<Id<'_>>) -> Kind {
        name.and_then(|name| self.named.get(name.name())).copied().unwrap_or(self.latest)
    }
}

/// Asked of each directive of a script, in order.
#[derive(Debug, Default)]
pub(crate) struct Sorter {
    definitions: Known,
    instances: Known,
}

impl Sorter {
    pub(crate) fn kind(&mut self, directive: &WastDirective<'_>) -> Kind {
        match directive {
            WastDirective::Module(module) => {
                let (name, kind) = (module.name(), Kind::of_quoted(module));
                self.definitions.add(name, kind);
                self.instances.add(name, kind);
                kind
            }
            WastDirective::ModuleDefinition(module) => {
                let kind = Kind::of_quoted(module);
                self.definitions.add(module.name(), kind);
                kind
            }
            WastDirective::ModuleInstance { instance, module, .. } => {
                let kind = self.definitions.get(*module);
                self.instances.add(*instance, kind);
                kind
            }
            WastDirective::AssertMalformed { module, .. }
            | WastDirective::AssertMalformedCustom { module, .. }
            | WastDirective::AssertInvalid { module, .. }
            | WastDirective::AssertInvalidCustom { module, .. } => Kind::of_quoted(module),
            WastDirective::AssertUnlinkable { module, .. } => Kind::of(module),
            WastDirective::Register { module, .. } => self.instances.get(*module),
            WastDirective::Invoke(invoke) | WastDirective::AssertExhaustion { call: invoke, .. } => {
                self.instances.get(invoke.module)
            }
            WastDirective::AssertReturn { exec, .. }
            | WastDirective::AssertTrap { exec, .. }
            | WastDirective::AssertException { exec, .. }
            | WastDirective::AssertSuspension { exec, .. } => self.executed(exec),
            WastDirective::Thread(_) | WastDirective::Wait { .. } => Kind::Module,
        }
    }

    fn executed(&self, exec: &WastExecute<'_>) -> Kind {
        match exec {
            WastExecute::Invoke(invoke) => self.instances.get(invoke.module),
            WastExecute::Get { module, .. } => self.instances.get(*module),
            WastExecute::Wat(wat) => Kind::of(wat),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::for_each_directive;

    fn kinds(text: &str) -> String {
        let (mut sorter, mut kinds) = (Sorter::default(), String::new());
        let letter = |kind| if kind == Kind::Module { 'm' } else { 'c' };
        for_each_directive(text, |directive| kinds.push(letter(sorter.kind(&directive)))).expect("a script");
        kinds
    }

    #[test]
    fn what_is_defined_says_what_it_is() {
        assert_eq!(kinds(r#"(module) (assert_invalid (module) "x") (assert_trap (module) "x")"#), "mmm");
        assert_eq!(
            kinds(r#"(assert_malformed (component quote "(") "x") (component) (component definition $d)"#),
            "ccc"
        );
    }

    #[test]
    fn what_uses_something_is_of_its_kind() {
        let uses =
            r#"(invoke "f") (assert_return (invoke $m "f")) (assert_trap (invoke $c "f") "x") (register "m" $m)"#;
        assert_eq!(kinds(&format!("(module $m) (component $c) {uses}")), "mccmcm");
        assert_eq!(kinds(&format!("(component $c) (module $m) {uses}")), "cmmmcm");
        let instances =
            r#"(component definition $d) (module $m) (component instance $i $d) (invoke $i "f") (invoke "f")"#;
        assert_eq!(kinds(instances), "cmccc");
    }
}
