//! What an instance may have of the host.

use crate::error::{Error, ErrorKind};
use hatchery_image::Interruption;
use std::time::Duration;

/// Limits of each instance that is made of a prepared module.
///
/// A limit that guests would not notice, since their engine does not compile them to look, is an error where it would be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub(crate) memory: Option<u64>,
    pub(crate) table: Option<u64>,
    pub(crate) externrefs: Option<usize>,
    pub(crate) exceptions: Option<usize>,
    pub(crate) fuel: Option<u64>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) lifted: Option<usize>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty => $field:ident;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: $ty) -> Limits {
                self.$field = Some(value);
                self
            }
        )*
    };
}

impl Limits {
    /// No limits but those of the engine.
    pub fn new() -> Limits {
        Limits::default()
    }

    /// Errors when code that looks for this alone would not notice a limit.
    pub(crate) fn check_noticed(&self, looked_for: Interruption) -> Result<(), Error> {
        let unnoticed = [
            (self.fuel.is_some(), Interruption::Fuel, "when its fuel is used up", "Fuel"),
            (self.deadline.is_some(), Interruption::Poll, "by a deadline", "Deadline"),
        ];
        match unnoticed.into_iter().find(|(is_set, needed, ..)| *is_set && *needed != looked_for) {
            None => Ok(()),
            Some((_, _, how, name)) => Err(Error::message(
                ErrorKind::Usage,
                format!(
                    "the program was not compiled to be stopped {how}, so nothing would stop it: its engine needs \
                     `Interruption::{name}`"
                ),
            )),
        }
    }

    setters! {
        /// Most bytes of all its memories together. Growing beyond fails as the guest's `memory.grow` may.
        max_memory: u64 => memory;
        /// Most elements of any one table.
        max_table: u64 => table;
        /// Most host values that the guest may hold references to; about a million unless set.
        max_externrefs: usize => externrefs;
        /// Most bytes of exceptions that the guest may hold references to, their values and what we need to keep each of
        /// them; 16 MiB unless set. An eighth of it must be free whenever it is looked for those that are not referred to any
        /// more. Exceptions that are caught without a reference are not among them.
        max_exceptions: usize => exceptions;
        /// Fuel that an instance starts with, initialization included, for engines with
        /// [`Interruption::Fuel`](crate::Interruption::Fuel): a unit an instruction, and more where one does much, as
        /// said there.
        fuel: u64 => fuel;
        /// Time from instantiation until whatever the instance runs then is stopped, or waits for in an async host function, whose
        /// future is dropped. For engines with [`Interruption::Deadline`](crate::Interruption::Deadline).
        deadline: Duration => deadline;
        /// Most bytes of host memory that a component can make its host allocate with one call, for what it passes; 128 MiB
        /// unless set.
        max_lifted: usize => lifted;
    }
}
