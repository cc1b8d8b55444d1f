//! Names in the macro's options, each of which must mean something.

use super::options::Functions;
use syn::{Error, LitStr, Result, Type};

/// A choice of functions, and which of its names were of use.
pub(super) struct Choice<'a> {
    functions: &'a Functions,
    used: Vec<bool>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(functions: &'a Functions) -> Choice<'a> {
        let count = if let Functions::These(names) = functions { names.len() } else { 0 };
        Choice { functions, used: vec![false; count] }
    }

    /// Whether a function is among them.
    pub(super) fn has(&mut self, interface: Option<&str>, names: [&str; 2]) -> bool {
        let chosen = match self.functions {
            Functions::None => return false,
            Functions::All => return true,
            Functions::These(chosen) => chosen,
        };
        let mut found = false;
        for (name, used) in chosen.iter().zip(&mut self.used) {
            let here = means(&name.value(), interface, names);
            *used |= here;
            found |= here;
        }
        found
    }

    /// Refuses names that meant nothing here, as they do for interfaces whose bindings are written elsewhere.
    pub(super) fn finish(self, elsewhere: &[String]) -> Result<()> {
        let Functions::These(names) = self.functions else { return Ok(()) };
        let Some((name, _)) = names.iter().zip(self.used).find(|(_, used)| !used) else { return Ok(()) };
        let text = name.value();
        let of = text.split_once('#').map_or(text.as_str(), |(of, _)| of);
        let message = match elsewhere.iter().find(|interface| is_interface(of, interface)) {
            Some(interface) => {
                format!("`with` has a module for `{interface}`: `{text}` is said where its bindings are written")
            }
            None => format!("the world imports no function `{text}`"),
        };
        Err(Error::new(name.span(), message))
    }
}

/// Whether a name stands for a function: by that of its interface, by both, or by its own if it has no interface.
fn means(name: &str, interface: Option<&str>, names: [&str; 2]) -> bool {
    let Some(interface) = interface else { return names.contains(&name) };
    let (of, function) = name.split_once('#').map_or((name, None), |(of, function)| (of, Some(function)));
    is_interface(of, interface) && function.is_none_or(|function| names.contains(&function))
}

/// Whether a name is that of an interface, with its version or without.
fn is_interface(name: &str, interface: &str) -> bool {
    name == interface || interface.split_once('@').is_some_and(|(path, _)| path == name)
}

/// Rust types and modules by names of resources and interfaces, and which of these were of use.
pub(super) struct Substitutes<'a> {
    with: &'a [(LitStr, Type)],
    used: Vec<bool>,
}

impl<'a> Substitutes<'a> {
    pub(super) fn new(with: &'a [(LitStr, Type)]) -> Substitutes<'a> {
        Substitutes { with, used: vec![false; with.len()] }
    }

    /// The number of what stands for an interface.
    pub(super) fn interface(&mut self, interface: &str) -> Option<usize> {
        self.find(|name| is_interface(name, interface))
    }

    /// The number of what stands for a resource.
    pub(super) fn resource(&mut self, interface: Option<&str>, resource: &str) -> Option<usize> {
        self.find(|name| match (interface, name.rsplit_once('/')) {
            (Some(interface), Some((of, name))) => is_interface(of, interface) && name == resource,
            (None, None) => name == resource,
            _ => false,
        })
    }

    fn find(&mut self, is: impl Fn(&str) -> bool) -> Option<usize> {
        let found = self.with.iter().position(|(name, _)| is(&name.value()))?;
        self.used[found] = true;
        Some(found)
    }

    /// Refuses names that meant nothing.
    pub(super) fn finish(self) -> Result<()> {
        match self.with.iter().zip(self.used).find(|(_, used)| !used) {
            Some(((name, _), _)) => {
                let message = format!(
                    "the world imports no interface or resource `{}`; names are like \"ns:package/interface\" and \
                     \"ns:package/interface/resource\"",
                    name.value()
                );
                Err(Error::new(name.span(), message))
            }
            None => Ok(()),
        }
    }
}
